module completions {

  # List, add, inspect and remove the artifacts in cldctl's local registry
  export extern cldctl-registry [
    --version(-V)             # Print version
    -v                        # Print version
    --home: directory         # Use DIR instead of ~/.cldctl [env: CLDCTL_REGISTRY_HOME]
    --lock-timeout: string    # Wait this long for another process to finish its change, such as 30s or 5m
    --help(-h)                # Print help (see more with '--help')
  ]

  def "nu-complete cldctl-registry images artifact_type" [] {
    [ "component" "datacenter" ]
  }

  def "nu-complete cldctl-registry images sort" [] {
    [ "created" "reference" "repository" "tag" "type" "size" ]
  }

  # List artifacts
  export extern "cldctl-registry images" [
    --home: directory         # Use DIR instead of ~/.cldctl [env: CLDCTL_REGISTRY_HOME]
    --lock-timeout: string    # Wait this long for another process to finish its change, such as 30s or 5m
    --type: string@"nu-complete cldctl-registry images artifact_type" # List only artifacts of this type
    --filter(-f): string      # List only artifacts that match, such as tag=v1*, size>10MB or until=30d
    --sort: string@"nu-complete cldctl-registry images sort" # Choose the order
    --reverse                 # Reverse the order
    --limit: string           # List at most N artifacts
    --format(-o): string      # Choose the output: table, json, jsonl, yaml, a Go template such as '{{.Repository}}:{{.Tag}}', or 'table TEMPLATE'
    --output: string          # Choose the output: table, json, jsonl, yaml, a Go template such as '{{.Repository}}:{{.Tag}}', or 'table TEMPLATE'
    --quiet(-q)               # Print only references, one per line
    --no-trunc                # Show whole digests in the table
    --digests                 # Add a column of digests to the table
    --no-headers              # Omit the table header
    --all(-a)                 # Accepted for docker compatibility; all artifacts are always listed
    --help(-h)                # Print help (see more with '--help')
    ...patterns: string       # List only artifacts that match a glob on the repository, or on repository:tag
  ]

  def "nu-complete cldctl-registry add artifact_type" [] {
    [ "component" "datacenter" ]
  }

  def "nu-complete cldctl-registry add format" [] {
    [ "text" "json" ]
  }

  # Register an artifact, with its content or as metadata only
  export extern "cldctl-registry add" [
    --home: directory         # Use DIR instead of ~/.cldctl [env: CLDCTL_REGISTRY_HOME]
    --lock-timeout: string    # Wait this long for another process to finish its change, such as 30s or 5m
    --untagged: path          # Import PATH under its digest, without repository and tag
    --type: string@"nu-complete cldctl-registry add artifact_type" # Set the artifact type [default: detected from cld.yml or datacenter.dc]
    --metadata-only           # Record only metadata, and leave content as it is
    --size: string            # The size to record, such as 46766489 or 1.5MB
    --digest: string          # The digest to record
    --cache-path: directory   # The directory to record [default: the reference's own, if it exists]
    --created-at: string      # The time to record, such as 2026-02-14T13:03:11Z [default: now]
    --no-clobber              # Refuse to replace an artifact that is already registered
    --all-files               # Also import hidden files, node_modules and the like
    --dereference(-L)         # Store the targets of links that leave the directory or lead to directories, instead of refusing such links
    --exclude: string         # Leave out what matches GLOB, a glob on names or, if it contains a /, on paths from the top; * also matches /; can be repeated
    --include: string         # Import what matches GLOB even if it would be left out; can be repeated; --exclude takes precedence
    --format: string@"nu-complete cldctl-registry add format" # Choose the output format
    --help(-h)                # Print help (see more with '--help')
    reference?: string        # The reference to register, such as ghcr.io/acme/app:v1
    path?: path               # The directory to import, or its cld.yml or datacenter.dc [default: the reference's own directory in the cache]
  ]

  def "nu-complete cldctl-registry rm artifact_type" [] {
    [ "component" "datacenter" ]
  }

  def "nu-complete cldctl-registry rm format" [] {
    [ "text" "json" ]
  }

  # Remove artifacts and their content
  export extern "cldctl-registry rm" [
    --home: directory         # Use DIR instead of ~/.cldctl [env: CLDCTL_REGISTRY_HOME]
    --lock-timeout: string    # Wait this long for another process to finish its change, such as 30s or 5m
    --all                     # Remove all artifacts
    --filter: string          # Remove artifacts that match, such as tag=v1*, size>10MB or until=30d
    --type: string@"nu-complete cldctl-registry rm artifact_type" # With --all or --filter, remove only artifacts of this type
    --force(-f)               # Ignore artifacts that do not exist
    --dry-run(-n)             # Show what would be removed
    --deployed                # Remove artifacts that are deployed too, and lose the state of their deployments
    --keep-cache              # Keep the content in the cache
    --yes(-y)                 # Do not prompt for confirmation
    --format: string@"nu-complete cldctl-registry rm format" # Choose the output format
    --help(-h)                # Print help (see more with '--help')
    ...references: string     # The artifacts to remove, by reference or digest; - reads references from standard input, one per line
  ]

  # Show everything known about artifacts, as JSON
  export extern "cldctl-registry inspect" [
    --home: directory         # Use DIR instead of ~/.cldctl [env: CLDCTL_REGISTRY_HOME]
    --lock-timeout: string    # Wait this long for another process to finish its change, such as 30s or 5m
    --format(-f): string      # Choose the output: json, or a Go template such as '{{.Digest}}'
    --help(-h)                # Print help
    ...references: string     # The artifacts to show, by reference or digest
  ]

  # Print the directory that contains an artifact's content
  export extern "cldctl-registry cache-path" [
    --home: directory         # Use DIR instead of ~/.cldctl [env: CLDCTL_REGISTRY_HOME]
    --lock-timeout: string    # Wait this long for another process to finish its change, such as 30s or 5m
    --check                   # Print nothing; exit with 3 unless the artifact and its content exist
    --root                    # Print the directory that contains all content
    --help(-h)                # Print help
    reference?: string        # The artifact, by reference or digest
  ]

  # Check whether artifacts are registered (exit code only)
  export extern "cldctl-registry exists" [
    --home: directory         # Use DIR instead of ~/.cldctl [env: CLDCTL_REGISTRY_HOME]
    --lock-timeout: string    # Wait this long for another process to finish its change, such as 30s or 5m
    --help(-h)                # Print help
    ...references: string     # The artifacts to look for, by reference or whole digest
  ]

  # Register an artifact's content under additional references
  export extern "cldctl-registry tag" [
    --home: directory         # Use DIR instead of ~/.cldctl [env: CLDCTL_REGISTRY_HOME]
    --lock-timeout: string    # Wait this long for another process to finish its change, such as 30s or 5m
    --no-clobber              # Refuse to replace an artifact that is already registered
    --help(-h)                # Print help
    source: string            # The artifact to copy, by reference or digest
    ...targets: string        # The references to register the copies under
  ]

  def "nu-complete cldctl-registry diff format" [] {
    [ "text" "json" ]
  }

  # Show what changed in an artifact's directory, or between two artifacts
  export extern "cldctl-registry diff" [
    --home: directory         # Use DIR instead of ~/.cldctl [env: CLDCTL_REGISTRY_HOME]
    --lock-timeout: string    # Wait this long for another process to finish its change, such as 30s or 5m
    --format: string@"nu-complete cldctl-registry diff format" # Choose the output format
    --help(-h)                # Print help (see more with '--help')
    reference: string         # The artifact whose directory to look at, by reference or digest
    other?: string            # Another artifact, to compare the content of the two
  ]

  def "nu-complete cldctl-registry verify format" [] {
    [ "text" "json" ]
  }

  # Check the registry and its content, and optionally repair the registry
  export extern "cldctl-registry verify" [
    --home: directory         # Use DIR instead of ~/.cldctl [env: CLDCTL_REGISTRY_HOME]
    --lock-timeout: string    # Wait this long for another process to finish its change, such as 30s or 5m
    --repair                  # Repair the registry first, as far as that needs no guessing; the original is kept under another name
    --format: string@"nu-complete cldctl-registry verify format" # Choose the output format
    --help(-h)                # Print help (see more with '--help')
    ...references: string     # Check only these artifacts, by reference or digest
  ]

  def "nu-complete cldctl-registry df format" [] {
    [ "text" "json" ]
  }

  # Show the disk usage of artifacts
  export extern "cldctl-registry df" [
    --home: directory         # Use DIR instead of ~/.cldctl [env: CLDCTL_REGISTRY_HOME]
    --lock-timeout: string    # Wait this long for another process to finish its change, such as 30s or 5m
    --verbose(-v)             # Show each artifact, with its recorded and its real size
    --format: string@"nu-complete cldctl-registry df format" # Choose the output format
    --help(-h)                # Print help (see more with '--help')
  ]

  def "nu-complete cldctl-registry prune format" [] {
    [ "text" "json" ]
  }

  # Remove unused data: untagged or missing artifacts, orphaned directories, leftovers
  export extern "cldctl-registry prune" [
    --home: directory         # Use DIR instead of ~/.cldctl [env: CLDCTL_REGISTRY_HOME]
    --lock-timeout: string    # Wait this long for another process to finish its change, such as 30s or 5m
    --all(-a)                 # Remove tagged artifacts too; needs --filter, --keep-last or --max-size
    --filter: string          # Remove only artifacts that match, such as until=30d
    --keep-last: string       # With --all, keep the newest N artifacts of each repository
    --max-size: string        # With --all, remove the oldest until the rest fits into SIZE, such as 2GB
    --generated               # Remove the provider plugins of artifacts that stay too, which OpenTofu downloads again: .terraform directories unchanged for an hour
    --dry-run(-n)             # Show what would be removed
    --yes(-y)                 # Do not prompt for confirmation
    --force(-f)               # Refused with a hint: docker's name for -y
    --format: string@"nu-complete cldctl-registry prune format" # Choose the output format
    --help(-h)                # Print help (see more with '--help')
  ]

  def "nu-complete cldctl-registry save artifact_type" [] {
    [ "component" "datacenter" ]
  }

  def "nu-complete cldctl-registry save format" [] {
    [ "text" "json" ]
  }

  # Write artifacts to an archive that other machines can load
  export extern "cldctl-registry save" [
    --home: directory         # Use DIR instead of ~/.cldctl [env: CLDCTL_REGISTRY_HOME]
    --lock-timeout: string    # Wait this long for another process to finish its change, such as 30s or 5m
    --all                     # Save all artifacts
    --filter: string          # Save artifacts that match, such as tag=v1* or type=component
    --type: string@"nu-complete cldctl-registry save artifact_type" # With --all or --filter, save only artifacts of this type
    --output(-o): path        # Write to a file, or to a directory (a name that ends with /, or an existing one), instead of standard output
    --format: string@"nu-complete cldctl-registry save format" # Choose the output format
    --help(-h)                # Print help (see more with '--help')
    ...references: string     # The artifacts to save, by reference or digest
  ]

  def "nu-complete cldctl-registry load format" [] {
    [ "text" "json" ]
  }

  # Register the artifacts of an archive
  export extern "cldctl-registry load" [
    --home: directory         # Use DIR instead of ~/.cldctl [env: CLDCTL_REGISTRY_HOME]
    --lock-timeout: string    # Wait this long for another process to finish its change, such as 30s or 5m
    --input(-i): path         # Read a file or a directory instead of standard input
    --as: string              # Register the only artifact under this reference
    --no-clobber              # Refuse to replace artifacts that are already registered
    --max-size: string        # Refuse artifacts with more than this, such as 20GB
    --dry-run(-n)             # Show what would be loaded
    --format: string@"nu-complete cldctl-registry load format" # Choose the output format
    --help(-h)                # Print help (see more with '--help')
    ...references: string     # Load only these artifacts, by the references that they were saved with
  ]

  def "nu-complete cldctl-registry push format" [] {
    [ "text" "json" ]
  }

  # Send artifacts to OCI registries
  export extern "cldctl-registry push" [
    --home: directory         # Use DIR instead of ~/.cldctl [env: CLDCTL_REGISTRY_HOME]
    --lock-timeout: string    # Wait this long for another process to finish its change, such as 30s or 5m
    --all-tags: string        # Push all tags of a repository
    --as: string              # Push the only artifact to this name; with --all-tags, to this repository
    --dry-run(-n)             # Show what would be sent, and whether it would be taken
    --quiet(-q)               # Print repository@digest only
    --format: string@"nu-complete cldctl-registry push format" # Choose the output format
    --username: string        # Sign in with this name and the password on standard input
    --password-stdin          # Read the password from standard input
    --plain-http: string      # Reach this registry without TLS; one on this machine needs no such option
    --ca-file: path           # Trust the certificates in this file too
    --retries: string         # Try again this often if a registry fails
    --timeout: string         # Give up if a registry is silent for this long, such as 30s or 5m
    --jobs(-j): string        # Transfer this many artifacts at a time
    --help(-h)                # Print help (see more with '--help')
    ...references: string     # The artifacts to push, by reference or digest
  ]

  def "nu-complete cldctl-registry pull artifact_type" [] {
    [ "component" "datacenter" ]
  }

  def "nu-complete cldctl-registry pull format" [] {
    [ "text" "json" ]
  }

  # Fetch artifacts from OCI registries and register them
  export extern "cldctl-registry pull" [
    --home: directory         # Use DIR instead of ~/.cldctl [env: CLDCTL_REGISTRY_HOME]
    --lock-timeout: string    # Wait this long for another process to finish its change, such as 30s or 5m
    --as: string              # Register the only artifact under this reference
    --type: string@"nu-complete cldctl-registry pull artifact_type" # The type, if neither the manifest nor the files tell it
    --no-clobber              # Refuse to replace artifacts that are already registered
    --max-size: string        # Refuse artifacts with more than this, such as 20GB
    --quiet(-q)               # Print repository@digest only
    --format: string@"nu-complete cldctl-registry pull format" # Choose the output format
    --username: string        # Sign in with this name and the password on standard input
    --password-stdin          # Read the password from standard input
    --plain-http: string      # Reach this registry without TLS; one on this machine needs no such option
    --ca-file: path           # Trust the certificates in this file too
    --retries: string         # Try again this often if a registry fails
    --timeout: string         # Give up if a registry is silent for this long, such as 30s or 5m
    --jobs(-j): string        # Transfer this many artifacts at a time
    --help(-h)                # Print help (see more with '--help')
    ...references: string     # The artifacts to pull, such as ghcr.io/acme/app:v1
  ]

  def "nu-complete cldctl-registry completions shell" [] {
    [ "bash" "zsh" "fish" "powershell" "elvish" "nushell" ]
  }

  # Generate a shell completion script
  export extern "cldctl-registry completions" [
    --home: directory         # Use DIR instead of ~/.cldctl [env: CLDCTL_REGISTRY_HOME]
    --lock-timeout: string    # Wait this long for another process to finish its change, such as 30s or 5m
    --help(-h)                # Print help
    shell: string@"nu-complete cldctl-registry completions shell" # The shell
  ]

  # Print the manual, or write a page for each command
  export extern "cldctl-registry man" [
    --home: directory         # Use DIR instead of ~/.cldctl [env: CLDCTL_REGISTRY_HOME]
    --lock-timeout: string    # Wait this long for another process to finish its change, such as 30s or 5m
    --dir: directory          # Write a page for each command to files in DIR
    --help(-h)                # Print help
  ]

  # Print help for the program or a command
  export extern "cldctl-registry help" [
    --home: directory         # Use DIR instead of ~/.cldctl [env: CLDCTL_REGISTRY_HOME]
    --lock-timeout: string    # Wait this long for another process to finish its change, such as 30s or 5m
    --help(-h)                # Print help
    command?: string          # The command to explain [default: the whole program]
  ]

  # Print version
  export extern "cldctl-registry version" [
    --home: directory         # Use DIR instead of ~/.cldctl [env: CLDCTL_REGISTRY_HOME]
    --lock-timeout: string    # Wait this long for another process to finish its change, such as 30s or 5m
    --help(-h)                # Print help
  ]

}

export use completions *
