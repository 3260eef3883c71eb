module github.com/bearerguard/bearerguard

// The older of the two supported Go releases; 1.25.12 and 1.26.5 carry the os.Root fix that pathguard.go relies on.
go 1.25.12

require (
	github.com/MicahParks/jwkset v0.11.4
	github.com/MicahParks/keyfunc/v3 v3.9.1
	github.com/golang-jwt/jwt/v5 v5.3.1
	golang.org/x/sync v0.22.0
	golang.org/x/time v0.15.0
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect

// Test dependencies.
require github.com/stretchr/testify v1.12.1
