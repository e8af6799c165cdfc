"""What every room asks for: errors, files, configs, images, annotations."""
