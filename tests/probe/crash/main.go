// Command crash is a worker that ends without an answer at each render, once it has asked for a path.
package main

import (
	"encoding/binary"
	"io"
	"os"
)

func main() {
	say(`{"kind":"hello","protocol":1,"libraries":{}}`)
	listen()
	say(`{"kind":"stat","path":"c"}`)
	listen()
	os.Exit(7)
}

func say(header string) {
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(header)))
	frame = append(frame, header...)
	os.Stdout.Write(binary.BigEndian.AppendUint64(frame, 0))
}

func listen() {
	var short [4]byte
	io.ReadFull(os.Stdin, short[:])
	io.CopyN(io.Discard, os.Stdin, int64(binary.BigEndian.Uint32(short[:])))
	var long [8]byte
	io.ReadFull(os.Stdin, long[:])
	io.CopyN(io.Discard, os.Stdin, int64(binary.BigEndian.Uint64(long[:])))
}
