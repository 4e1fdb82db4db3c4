//! The shell: inputs, detection loop, executor, timers, transports, recovery.
