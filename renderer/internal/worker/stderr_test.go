package worker

import (
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strings"
	"testing"
)

// X5: nothing that one render prints comes out as what another one printed, whatever it looks like.
func TestNothingThatIsPrintedShiftsTheNextRender(t *testing.T) {
	stderr, stdout := os.Stderr, os.Stdout
	defer func() { os.Stderr, os.Stdout = stderr, stdout; log.SetOutput(stderr) }()
	forgeries := []string{"\x00mark", "# \x00mark", "\x00mark\n\x00mark", "", "\x00\x00\x00\x02{}", strings.Repeat("\x00mark\n", 100)}
	for round, forgery := range forgeries {
		first, err := capture()
		if err != nil {
			t.Fatal(err)
		}
		late := os.Stderr
		log.Print(forgery)
		log.Printf("secret of render %d", round)
		fmt.Println(forgery)
		if taken := first.take(); !slices.Contains(taken, fmt.Sprintf("secret of render %d", round)) {
			t.Errorf("round %d: its own line is lost: %q", round, taken)
		}
		second, err := capture()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(late, "printed by a goroutine that went on")
		log.Print("of the second")
		if taken := second.take(); !slices.Equal(taken, []string{"of the second"}) {
			t.Errorf("round %d: the second render got %q", round, taken)
		}
	}
}

// A render that prints without end fills neither the pipe nor the memory.
func TestWhatIsPrintedIsBounded(t *testing.T) {
	endless := io.LimitReader(zeros{}, 50<<20)
	kept := lines(io.MultiReader(strings.NewReader("first\n"), endless, strings.NewReader("\nlast\n")))
	if len(kept) != 3 || kept[0] != "first" || len(kept[1]) > maxLine || kept[2] != "last" {
		t.Errorf("kept %d lines", len(kept))
	}
}

type zeros struct{}

func (zeros) Read(into []byte) (int, error) {
	for index := range into {
		into[index] = '0'
	}
	return len(into), nil
}
