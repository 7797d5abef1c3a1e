# For the scripts beside this one: run a job step, end it in time, and put the job back into the queue.
#
# Slurm sends USR1 to the script (--signal=B:USR1@SECONDS) when its time is nearly up, and at preemption where the
# cluster has PreemptParameters=send_user_signal. The step is then asked to end (SIGTERM) and the job queued again, to
# resume from what the step has saved. SIGTERM to the script ends the step too, but for good: that is scancel.

# Not by `srun` in the foreground, since bash runs no trap before what it waits for there has ended.
run_step() {
  local status=0 asked="" signals=0 seen=-1
  srun --kill-on-bad-exit=1 "$@" &
  local step=$!
  # srun passes SIGTERM on to the tasks of all nodes
  trap 'asked=USR1; signals=$((signals + 1)); kill -TERM "$step" 2>/dev/null || true' USR1
  trap 'asked=TERM; signals=$((signals + 1)); kill -TERM "$step" 2>/dev/null || true' TERM
  while [[ $seen != "$signals" ]]; do # a signal ends `wait`, not the step
    seen=$signals status=0
    wait "$step" || status=$?
  done
  trap - USR1 TERM
  if [[ $asked == USR1 && $status != 0 ]]; then
    echo "step stopped with status $status; job $SLURM_JOB_ID goes back into the queue"
    scontrol requeue "$SLURM_JOB_ID"
  fi
  return "$status"
}
