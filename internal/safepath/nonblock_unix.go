//go:build unix

package safepath

import "syscall"

// nonBlock keeps the open of a FIFO that took the place of a file from waiting for a writer.
const nonBlock = syscall.O_NONBLOCK
