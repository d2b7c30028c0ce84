"""How fast Nectar is, beside what it stands on: every row runs ours and a reference in turns, in one run.

`rows` says what is measured, `rounds` how; `bare_trio` and `bare_servers` are the references; `node` boots ours
with `package`, whose actors are written on process_lib like any user's; `echo_load` is the WebSocket client.
"""
