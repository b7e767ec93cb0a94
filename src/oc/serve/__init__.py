"""The host's program, `oc-host`: puts server and worker together and looks after the machine that they run on."""
