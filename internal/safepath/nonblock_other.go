//go:build !unix

package safepath

// nonBlock is nothing here: there are no FIFOs in the file system.
const nonBlock = 0
