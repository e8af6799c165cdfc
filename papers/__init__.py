"""The papers' models: parameters, multiply-adds and scores beside what is counted here."""
