"""The microkernel: messages, addresses, capabilities, routing, mailboxes, the process table.

Knows no socket, file, wall clock or argv: chance, time, storage and code come in through `kernel.ports`.

Lowest first: `address`, `capability`, `message`, `errors`, `codec`, `ports`, `events`, `syscalls` (what a process may ask),
`mailbox`, `deadlines`, `routing`, `admission`, `exits`, `process`, `kernel` (joins them), `host` (the syscalls of one
process), `commands` (the process `kernel:sys:nectar`).
"""
