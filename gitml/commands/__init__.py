"""One file a command: options in, one call, an answer out.

To add a command: write ``NAME.py`` here with a function NAME under
`gitml.commands.options.command`, and its line in `gitml.cli.COMMANDS`. The
function's first argument is the `gitml.commands.options.Session`; it returns
None or an exit code, and raises `gitml.errors` for all that goes wrong.
"""
