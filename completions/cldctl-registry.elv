set edit:completion:arg-completer[cldctl-registry] = { |@words|
    var index = (count $words)
    set index = (- $index 1)

    put (env _CLAP_IFS="\n" _CLAP_COMPLETE_INDEX=(to-string $index) CLDCTL_REGISTRY_COMPLETE="elvish" cldctl-registry -- $@words) | to-lines
}
