"""What the engine is measured against, each as small as its own documentation shows it."""

#: What a job of the fairness benchmark takes, here and there, and how many come late.
WORK_S, LATECOMERS = 0.005, 10
