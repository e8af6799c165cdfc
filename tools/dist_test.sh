#!/usr/bin/env bash
# Evaluate with one process per GPU (or with CPU processes, where there is no GPU), on this machine
# or, run on each of them, on several. OPTIONs are those of test.py.
set -euo pipefail

if (($# < 3)); then
    echo "usage: [NNODES=1] [NODE_RANK=0] [MASTER_ADDR=127.0.0.1] [PORT=29500]" \
        "$0 CONFIG CHECKPOINT GPUS [OPTION...]" >&2
    exit 2
fi

exec python -m torch.distributed.run \
    --nnodes "${NNODES:-1}" --node_rank "${NODE_RANK:-0}" --nproc_per_node "$3" \
    --master_addr "${MASTER_ADDR:-127.0.0.1}" --master_port "${PORT:-29500}" \
    "$(dirname "$0")/test.py" "$1" "$2" --launcher pytorch "${@:4}"
