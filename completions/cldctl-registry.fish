# Completion of cldctl-registry for fish.

# The program gets the words before the cursor, and the one at the cursor as it
# is typed; fish quotes what it inserts.
complete --keep-order --exclusive --command cldctl-registry --arguments "(
    CLDCTL_REGISTRY_COMPLETE=fish cldctl-registry -- \
        (commandline --current-process --tokenize --cut-at-cursor) \
        (commandline --current-token --cut-at-cursor) 2>/dev/null
)"
