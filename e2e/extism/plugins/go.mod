// This module names the plug-ins that the tests of the folder above run. It has no code.
module github.com/vivarium-run/vivarium/e2e/extism/plugins

go 1.26

require github.com/extism/go-sdk v1.7.1
