"""One module for each command; `oc.cli.commands` names them."""
