# Completion of cldctl-registry for bash 3.2 and newer.

_cldctl_registry() {
    local IFS=$'\n'
    # bash splits words at `:` and `=`, which references and filters hold. So
    # the program gets the line up to the cursor, and the part of it that bash
    # will replace ($2), and prints what belongs in the place of that part.
    read -r -d '' -a COMPREPLY < <(
        CLDCTL_REGISTRY_COMPLETE=bash cldctl-registry -- \
            "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null
    )
    # More is to come behind these.
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/:] ]]; then
        compopt -o nospace 2>/dev/null
    fi
    return 0
}

# The program sorts; bash 4.4 and newer can keep that order.
complete -o nosort -F _cldctl_registry cldctl-registry 2>/dev/null ||
    complete -F _cldctl_registry cldctl-registry
