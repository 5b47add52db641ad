//! The only unsafe code: system calls behind safe functions.
