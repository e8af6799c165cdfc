#!/usr/bin/env bash
# The GPU rows of the speed targets (H200: latency, throughput, segmentation, detection, memory, the
# paper's table), in one go or by parts. Compiling takes minutes: a part is one sitting.
set -euo pipefail

PARTS=(latency_w32 latency_w48 inference training memory seg det paper)
if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    echo "usage: [OUT=DIR] [PYTHON=python] $0 [--quick] [PART...]"
    echo "PARTs: ${PARTS[*]} (default: all)"
    echo "--quick rehearses them on the CPU with a tiny network, without torch.compile"
    exit
fi

cd "$(dirname "$0")/.."
out=${OUT:-work_dirs/benchmark_h200}
python=${PYTHON:-python}
compiled='\+(compile|regions|max_autotune)|optimised@fp16' # on a CPU
flags=(--device cuda)
if [[ ${1:-} == --quick ]]; then
    shift
    flags=(--device cpu --quick)
fi

# measure NAME OPTION... --contestants C...
measure() {
    local name=$1 options=() option
    shift
    for option in "$@"; do
        [[ ${flags[*]} == *--quick* && $option =~ $compiled ]] || options+=("$option")
    done
    echo "== $name"
    "$python" tools/benchmark.py --out "$out/$name" "${flags[@]}" "${options[@]}"
}

latency() {
    measure "latency_$1" --arch "$1" --batch 1 --rounds 50 --baseline mmpose@fp32 --contestants \
        ours mmpose optimised@fp16 optimised@bf16 mmpose+cast@fp16 \
        mmpose+compile+cast@fp16 mmpose+max_autotune+cast@fp16
}

inference() {
    measure inference --batch 256 --precision bf16 --contestants \
        ours mmpose optimised mmpose+channels_last \
        mmpose+compile+channels_last mmpose+compile+channels_last+cast
}

training() {
    measure training --mode train --batch 256 --precision bf16 --contestants \
        ours ours+channels_last ours+regions+channels_last ours+compile+channels_last mmpose \
        mmpose+channels_last mmpose+compile mmpose+channels_last+compile
}

memory() {
    measure memory --mode train --batch 256 --precision fp32 bf16 --rounds 5 --isolate \
        --contestants ours ours+cp_norm ours+cp ours+cp_module ours+regions+channels_last mmpose \
        mmpose+cp
}

seg() {
    measure seg --task seg --arch w48 --size 1024x2048 --batch 1 --baseline mmpose@fp32 \
        --contestants ours mmpose mmseg optimised@fp16 optimised@bf16 mmseg+channels_last+cast@fp16 \
        mmseg+compile+channels_last+cast@fp16
}

det() {
    measure det --task det --arch w32 --size 800x1333 --batch 1 --baseline mmpose@fp32 \
        --contestants ours mmpose mmdet optimised@fp16 optimised@bf16 mmdet+channels_last+cast@fp16 \
        mmdet+compile+channels_last+cast@fp16
}

paper() {
    measure paper --paper-table --rounds 10
}

for part in "${@:-${PARTS[@]}}"; do
    case $part in
    latency_w32 | latency_w48) latency "${part#latency_}" ;;
    inference | training | memory | seg | det | paper) "$part" ;;
    *)
        echo "error: there is no part $part; give some of ${PARTS[*]}" >&2
        exit 1
        ;;
    esac
done
