#!/bin/bash
# Two nodes of eight GPUs; two minutes before its time is up the job goes back into the queue, and then on with its run.
# sbatch configs/launch/slurm.sh
#SBATCH --nodes=2 --ntasks-per-node=8 --gpus-per-node=8 --cpus-per-task=8 --time=04:00:00
#SBATCH --requeue --open-mode=append --signal=B:USR1@120
# B: sends the signal to this script: sent to the tasks, Lightning would save a checkpoint of its own in the middle of a step.
trap 'scontrol requeue $SLURM_JOB_ID' USR1
srun --kill-on-bad-exit python -m lightning_flowers fit --config configs/resnet152.yaml --data.root=/data/petals \
    --trainer.num_nodes=2 --trainer.devices=8 --trainer.strategy=ddp --save_every_minutes=1 &
wait; wait
