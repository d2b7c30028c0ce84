"""The microkernel: messages, addresses, capabilities, routing, mailboxes, the process table.

Knows no socket, file, wall clock or argv: chance, time, storage and code come in through `kernel.ports`.

Lowest first. Values: `address`, `jsontext`, `capability`, `message`, `errors`. JSON shapes: `variants`, `shaping`,
`objects`, `carried`, `codec`, `debug`, `protocol`. The outside: `ports`, `events`, `syscalls` (what a process may
ask). Parts: `parking`, `mailbox`, `deadlines`, `message_ids`, `dead_letters`, `exits`, `process`, `turn_times`,
`admission`, `refusals`, `signing`, `routing`, `records`, `verbosity`. What joins them: `router` (sends), `grants`,
`host` (the syscalls of one process), `lifecycle`, `kernel`, `inspection` (for people who look in), `commands` (the
process `kernel:sys:nectar`).
"""
