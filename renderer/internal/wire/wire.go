// Package wire frames messages between the worker and the process that started it.
//
// A frame is the length of its header (4 bytes, big-endian), the header as JSON, the length of its body (8 bytes,
// big-endian) and the body's raw bytes. The worker says hello first, with the protocol's version; then the host asks for
// renders, one at a time, and answers what the worker asks of the repository meanwhile.
package wire

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// Protocol is the version of the frames and headers. It changes with either.
const Protocol = 1

const (
	maxHeader = 16 << 20
	maxBody   = 1 << 30
)

// Conn is one side of the pipe. It is not safe for concurrent use: the protocol is strictly in turns.
type Conn struct {
	in  io.Reader
	out io.Writer
}

// New makes a Conn that reads frames from in and writes frames to out.
func New(in io.Reader, out io.Writer) *Conn {
	return &Conn{in: in, out: out}
}

// Send writes one frame in one call.
func (c *Conn) Send(header any, body []byte) error {
	head, err := json.Marshal(header)
	if err != nil {
		return fmt.Errorf("encoding a frame's header: %w", err)
	}
	frame := make([]byte, 0, 12+len(head)+len(body))
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(head)))
	frame = append(frame, head...)
	frame = binary.BigEndian.AppendUint64(frame, uint64(len(body)))
	frame = append(frame, body...)
	_, err = c.out.Write(frame)
	return err
}

// Receive reads one frame into header and returns its body. It returns io.EOF where the other side ended between frames.
func (c *Conn) Receive(header any) ([]byte, error) {
	var short [4]byte
	if _, err := io.ReadFull(c.in, short[:]); err != nil {
		return nil, err
	}
	head, err := c.take(uint64(binary.BigEndian.Uint32(short[:])), maxHeader)
	if err != nil {
		return nil, err
	}
	var long [8]byte
	if _, err := io.ReadFull(c.in, long[:]); err != nil {
		return nil, fmt.Errorf("reading a body's length: %w", err)
	}
	body, err := c.take(binary.BigEndian.Uint64(long[:]), maxBody)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(head, header); err != nil {
		return nil, fmt.Errorf("decoding a frame's header: %w", err)
	}
	return body, nil
}

func (c *Conn) take(length, limit uint64) ([]byte, error) {
	if length > limit {
		return nil, fmt.Errorf("a frame claims %d bytes, %d are allowed", length, limit)
	}
	bytes := make([]byte, length)
	if _, err := io.ReadFull(c.in, bytes); err != nil {
		return nil, fmt.Errorf("reading a frame: %w", err)
	}
	return bytes, nil
}
