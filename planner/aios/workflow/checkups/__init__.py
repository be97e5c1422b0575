"""What `aios doctor` looks at, by subject: software, places on disk, the machine, services that stand."""
