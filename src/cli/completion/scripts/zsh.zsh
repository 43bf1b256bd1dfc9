#compdef cldctl-registry
# Completion of cldctl-registry for zsh: in a directory of fpath, or sourced
# after compinit.

_cldctl-registry() {
    local -a found values shown
    # Each line is a candidate, with a tab and a description where it has one.
    found=("${(@f)$(CLDCTL_REGISTRY_COMPLETE=zsh cldctl-registry -- \
        "${(@)words[1,CURRENT-1]}" "$QIPREFIX$PREFIX" 2>/dev/null)}")
    [[ -n $found ]] || return 1

    local -a suffix
    local pattern
    # More is to come behind a candidate that ends with one of these.
    for pattern in '(*[=/:]|*[=/:]'$'\t''*)' ''; do
        if [[ -n $pattern ]]; then
            values=("${(@M)found:#${~pattern}}") suffix=(-S '')
            found=("${(@)found:#${~pattern}}")
        else
            values=("${(@)found}") suffix=()
        fi
        (($#values)) || continue
        shown=("${(@)values//$'\t'/  -- }")
        values=("${(@)values%%$'\t'*}")
        if [[ "$shown" == "$values" ]]; then
            compadd "${suffix[@]}" -a values
        else
            compadd "${suffix[@]}" -l -d shown -a values
        fi
    done
}

# Loaded from fpath, this file itself is the function at its first call.
if [[ $funcstack[1] == _cldctl-registry ]]; then
    _cldctl-registry "$@"
else
    compdef _cldctl-registry cldctl-registry
fi
