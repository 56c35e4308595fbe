package endure

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// verdict is one thing that must hold after a soak.
type verdict struct {
	what, got, want string
	ok              bool
}

// soakReport is what a soak found.
type soakReport struct {
	list      []sample
	warm      []sample // without the time in which caches fill
	rest, end sample
	chores    map[string]int
	rate      float64
	verdicts  []verdict
}

// warmUp is what part of a soak fills caches and shells, and is not judged.
const warmUp = 0.25

// What may be there after a load that was not before it: a connection that the client keeps, a goroutine of a worker
// that waits for the next upload.
const (
	moreFiles      = 12
	moreGoroutines = 24
	mostDisk       = 1 << 30 // of the store
)

// judge says what a load left. What needs time to be seen is judged in the long form only.
func judge(list []sample, rest, end sample, long bool) *soakReport {
	r := &soakReport{list: list, rest: rest, end: end, warm: list[int(float64(len(list))*warmUp):]}
	r.add("descriptors after the load, beside those before it", fmt.Sprintf("%d, %d", end.files, rest.files), fmt.Sprint("at most ", moreFiles, " more"), end.files <= rest.files+moreFiles)
	r.add("goroutines after the load, beside those before it", fmt.Sprintf("%d, %d", end.goroutines, rest.goroutines), fmt.Sprint("at most ", moreGoroutines, " more"), end.goroutines <= rest.goroutines+moreGoroutines)
	most := int64(0)
	for _, s := range list {
		most = max(most, s.disk["store"])
	}
	r.add("most disk that the store took, MiB", mib(most), "at most "+mib(mostDisk), most > 0 && most <= mostDisk)
	r.add("disk of modules that are deleted, MiB", mib(end.disk["modules"]-rest.disk["modules"]), "at most 1", end.disk["modules"] <= rest.disk["modules"]+1<<20)
	if long {
		r.slopes()
	}
	return r
}

// slopes are the verdicts that take minutes.
func (r *soakReport) slopes() {
	grows := func(what string, most float64, of func(sample) float64) {
		got := slope(r.warm, of)
		r.add(what+", in ten minutes", fmt.Sprintf("%+.2f", got), fmt.Sprintf("below %+.2f", most), got < most)
	}
	grows("resident memory of its own, MiB", 1, func(s sample) float64 { return float64(s.anon) / (1 << 20) })
	grows("live heap, MiB", 1, func(s sample) float64 { return float64(s.heap) / (1 << 20) })
	// Who is answered late has a goroutine and a descriptor for longer, so a busy machine shows more of both; the least
	// of each part of the time does not.
	least := func(what string, most float64, of func(sample) float64) {
		got := slope(leastOf(r.warm, of), of)
		r.add("least "+what+" of each twentieth, in ten minutes", fmt.Sprintf("%+.2f", got), fmt.Sprintf("below %+.2f", most), got < most)
	}
	least("goroutines", 2, func(s sample) float64 { return float64(s.goroutines) })
	least("descriptors", 2, func(s sample) float64 { return float64(s.files) })
	grows("threads", 1, func(s sample) float64 { return float64(s.threads) })
	for _, folder := range []string{"modules", "sandbox"} {
		grows("disk of "+folder+", MiB", 8, func(s sample) float64 { return float64(s.disk[folder]) / (1 << 20) })
	}
	third := len(r.warm) / 3
	store := func(s sample) float64 { return float64(s.disk["store"]) / (1 << 20) }
	begin, end := slices.Max(series(r.warm[:third], store)), slices.Max(series(r.warm[len(r.warm)-third:], store))
	r.add("most disk of the store in the first and the last third, MiB", fmt.Sprintf("%.0f, %.0f", begin, end), "less than a fifth more", end < begin*1.2)
	p99 := func(s sample) float64 { return s.p99.Seconds() * 1000 }
	first, last := median(series(r.warm[:third], p99)), median(series(r.warm[len(r.warm)-third:], p99))
	r.add("p99 of a call in the first and the last third, ms", fmt.Sprintf("%.1f, %.1f", first, last), "less than a fifth more", last < first*1.2)
}

// leastOf returns the sample with the least of a number in each twentieth of the time.
func leastOf(list []sample, of func(sample) float64) (least []sample) {
	for part := range slices.Chunk(list, max(1, (len(list)+19)/20)) {
		least = append(least, slices.MinFunc(part, func(a, b sample) int { return cmp.Compare(of(a), of(b)) }))
	}
	return least
}

func (r *soakReport) add(what, got, want string, ok bool) {
	r.verdicts = append(r.verdicts, verdict{what, got, want, ok})
}

// text is the page.
func (r *soakReport) text() string {
	var b strings.Builder
	total := 0
	for _, n := range r.chores {
		total += n
	}
	last := r.list[len(r.list)-1]
	fmt.Fprintf(&b, "# Soak\n\nWritten by `make soak`: %v of load on one host, %.0f chores a second of which %d were done, in %d namespaces. What is judged begins after a quarter of the\n"+
		"time. A slope is the median of those between any two samples. What each chore does: [e2e/endure](../e2e/endure/chores_test.go).\n\n", last.at.Round(time.Second), r.rate, total, spaces)
	b.WriteString("| | found | wanted | |\n|---|---|---|---|\n")
	for _, v := range r.verdicts {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", v.what, v.got, v.want, map[bool]string{true: "holds", false: "**does not hold**"}[v.ok])
	}
	b.WriteString("\nMedians of each tenth of the time; memory and disk in MiB.\n\n| until | memory of its own | pages of files | live heap | goroutines | threads | descriptors | store | modules | sandbox | p99 of a call |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, s := range tenths(r.list) {
		b.WriteString(s.line() + "\n")
	}
	b.WriteString("\n| chore | times |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(r.chores)) {
		fmt.Fprintf(&b, "| %s | %d |\n", name, r.chores[name])
	}
	return b.String()
}

// tenths returns ten samples that stand for all, each the median of its part in each number.
func tenths(list []sample) (ten []sample) {
	for part := range slices.Chunk(list, max(1, (len(list)+9)/10)) {
		of := func(f func(sample) float64) float64 { return median(series(part, f)) }
		s := sample{
			at: part[len(part)-1].at, anon: int64(of(func(s sample) float64 { return float64(s.anon) })), file: int64(of(func(s sample) float64 { return float64(s.file) })),
			heap: int64(of(func(s sample) float64 { return float64(s.heap) })), goroutines: int(of(func(s sample) float64 { return float64(s.goroutines) })),
			threads: int(of(func(s sample) float64 { return float64(s.threads) })), files: int(of(func(s sample) float64 { return float64(s.files) })),
			p99: time.Duration(of(func(s sample) float64 { return float64(s.p99) })), disk: map[string]int64{},
		}
		for folder := range part[0].disk {
			s.disk[folder] = int64(of(func(s sample) float64 { return float64(s.disk[folder]) }))
		}
		ten = append(ten, s)
	}
	return ten
}

// A host that leaks is found out: the judge can say no.
func TestSoakIsJudged(t *testing.T) {
	at := func(leak float64) (list []sample) {
		for i := range 60 {
			minutes := float64(i)
			list = append(list, sample{
				at: time.Duration(i) * time.Minute, anon: 200<<20 + int64(minutes*leak*(1<<20)), heap: 20 << 20, goroutines: 100, threads: 10, files: 50 + int(minutes*leak),
				disk: map[string]int64{"store": 50<<20 + int64(minutes*leak*(1<<20)), "sandbox": int64(minutes * leak * (10 << 20))}, p99: 5 * time.Millisecond,
			})
		}
		return list
	}
	bad := func(list []sample) (names []string) {
		for _, v := range judge(list, list[0], list[len(list)-1], true).verdicts {
			if !v.ok {
				names = append(names, v.what)
			}
		}
		return names
	}
	if got := bad(at(0)); len(got) > 0 {
		t.Errorf("of a host that is flat it says %q", got)
	}
	if got := bad(at(2)); len(got) != 5 {
		t.Errorf("of one that leaks memory, descriptors and disk it says only %q", got)
	}
}
