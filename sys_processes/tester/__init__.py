"""What test packages are asked and answer: shapes only, the processes are those of whoever writes tests."""
