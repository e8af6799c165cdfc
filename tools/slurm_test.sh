#!/usr/bin/env bash
# Evaluate as a Slurm job of GPUS processes. OPTIONs are those of test.py; SRUN_ARGS are srun's.
set -euo pipefail

if (($# < 4)); then
    echo "usage: [GPUS=8] [GPUS_PER_NODE=8] [CPUS_PER_TASK=5] [PORT=29500] [SRUN_ARGS=...]" \
        "$0 PARTITION JOB_NAME CONFIG CHECKPOINT [OPTION...]" >&2
    exit 2
fi

gpus=${GPUS:-8}
gpus_per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
read -ra srun_args <<<"${SRUN_ARGS:-}"
export MASTER_PORT=${PORT:-29500}

exec srun --partition "$1" --job-name "$2" --gres "gpu:$gpus_per_node" \
    --ntasks "$gpus" --ntasks-per-node "$gpus_per_node" \
    --cpus-per-task "${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 "${srun_args[@]}" \
    python -u "$(dirname "$0")/test.py" "$3" "$4" --launcher slurm "${@:5}"
