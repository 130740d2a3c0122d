// A Grafana server from the Go module proxy: ./build builds it, and says what is missing in it.
module github.com/spanwire/spanwire/deploy/native/grafana

go 1.25.0

tool github.com/google/wire/cmd/wire

// Nothing imports it, so `go mod tidy` would drop it. The release tags have a major version that the
// module's path lacks, so only a commit can be asked for, and the proxy refuses most: this is the
// latest that was found to be there.
require github.com/grafana/grafana v1.9.2-0.20230609164553-81d85ce8028d

require (
	github.com/google/subcommands v1.2.0 // indirect
	github.com/google/wire v0.7.0 // indirect
	github.com/pmezard/go-difflib v1.0.1-0.20181226105442-5d4384ee4fb2 // indirect
	golang.org/x/mod v0.20.0 // indirect
	golang.org/x/sync v0.8.0 // indirect
	golang.org/x/tools v0.24.1 // indirect
)
