# Completion of cldctl-registry for PowerShell 7.3 and newer.

Register-ArgumentCompleter -Native -CommandName 'cldctl-registry' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    # The words are taken from the line as it was parsed. Nothing of it is
    # evaluated: a word that only PowerShell could evaluate is passed as typed.
    $words = [System.Collections.Generic.List[string]]::new()
    $current = ''
    foreach ($element in $commandAst.CommandElements) {
        $extent = $element.Extent
        if ($extent.StartOffset -ge $cursorPosition) { break }
        $text = $extent.Text
        $isString = $element -is [System.Management.Automation.Language.StringConstantExpressionAst]
        if ($extent.EndOffset -lt $cursorPosition) {
            if ($isString) { $text = $element.Value }
            $words.Add($text)
        } elseif ($isString -and $extent.EndOffset -eq $cursorPosition) {
            $current = $element.Value
        } elseif (-not $isString -or $text -ceq $element.Value) {
            $current = $text.Substring(0, $cursorPosition - $extent.StartOffset)
        } else {
            # In the middle of a quoted word.
            return
        }
    }
    $words.Add($current)

    # In the environment, because PowerShell expands `*` and `~` in what it passes
    # as an argument.
    $exitCode = $global:LASTEXITCODE
    $env:CLDCTL_REGISTRY_COMPLETE = 'powershell'
    $env:CLDCTL_REGISTRY_WORDS = $words -join [char]10
    try {
        $lines = @(& cldctl-registry 2>$null)
    } finally {
        $env:CLDCTL_REGISTRY_COMPLETE = $null
        $env:CLDCTL_REGISTRY_WORDS = $null
        $global:LASTEXITCODE = $exitCode
    }

    # Each line is the text to insert, quoted already, the candidate, and its
    # description.
    foreach ($line in $lines) {
        $inserted, $shown, $about = $line.Split([char]9)
        [System.Management.Automation.CompletionResult]::new(
            $inserted, $shown, 'ParameterValue', $about)
    }
}
