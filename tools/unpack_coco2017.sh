#!/usr/bin/env bash
# Unpack what `mim download hrnet_mm --dataset coco2017` has downloaded into the folders that the
# COCO configs read; mim runs it. The archives stay.
set -euo pipefail

if (($# != 2)); then
    echo "usage: $0 DOWNLOAD_FOLDER DATA_ROOT" >&2
    exit 2
fi

shopt -s nullglob
# The folder is COCO_2017 or, from another release of the downloader, OpenDataLab___COCO_2017.
archives=("$1"/*COCO_2017/raw/Images/{train,val}2017.zip
    "$1"/*COCO_2017/raw/Annotations/annotations_trainval2017.zip)
if ((${#archives[@]} == 0)); then
    echo "there are no archives of COCO 2017 below $1" >&2
    exit 1
fi
for archive in "${archives[@]}"; do
    echo "unpacking $archive into $2"
    python -m zipfile -e "$archive" "$2"
done
