package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

func TestFramesComeBack(t *testing.T) {
	var pipe bytes.Buffer
	conn := New(&pipe, &pipe)
	for _, body := range [][]byte{nil, []byte("body"), bytes.Repeat([]byte{0}, 1<<16)} {
		if err := conn.Send(map[string]string{"kind": "x"}, body); err != nil {
			t.Fatal(err)
		}
		var header struct{ Kind string }
		got, err := conn.Receive(&header)
		if err != nil || header.Kind != "x" || !bytes.Equal(got, body) {
			t.Fatalf("got %v, %d bytes, %v", header, len(got), err)
		}
	}
	if _, err := conn.Receive(&struct{}{}); !errors.Is(err, io.EOF) {
		t.Fatalf("between frames the end is an end, got %v", err)
	}
}

func TestWhatIsNoFrameIsRefused(t *testing.T) {
	huge := binary.BigEndian.AppendUint32(nil, 1<<31)
	body := append(binary.BigEndian.AppendUint32(nil, 2), "{}"...)
	body = binary.BigEndian.AppendUint64(body, 1<<40)
	cut := append(binary.BigEndian.AppendUint32(nil, 10), "{}"...)
	noJSON := append(binary.BigEndian.AppendUint32(nil, 2), "[}"...)
	noJSON = binary.BigEndian.AppendUint64(noJSON, 0)
	for _, bytesIn := range [][]byte{huge, body, cut, noJSON} {
		if _, err := New(bytes.NewReader(bytesIn), io.Discard).Receive(&struct{}{}); err == nil || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%x: %v", bytesIn[:6], err)
		}
	}
}
