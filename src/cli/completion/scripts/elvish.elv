# Completion of cldctl-registry for elvish.

# elvish hands over the words as it reads them, and quotes what it inserts.
set edit:completion:arg-completer[cldctl-registry] = {|@words|
    env CLDCTL_REGISTRY_COMPLETE=elvish cldctl-registry -- $@words 2>/dev/null
}
