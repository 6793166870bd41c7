"""What every door and process does with jobs: accepts them, rings for them, runs macros and schedules, tells others."""
