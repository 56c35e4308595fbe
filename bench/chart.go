package main

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// A chart shows a table's main number: a line for each server of each workload, from the least to the most of the runs,
// with a dot at the median. The scale is logarithmic, since servers differ by a hundred times. Colours are those
// that can be told apart on white and on black; text follows the reader's scheme.

const (
	chartWidth  = 860
	chartLeft   = 220 // where the scale begins
	chartRight  = 130 // room for the number
	lineHeight  = 17
	groupSpace  = 26
	chartBottom = 24
)

const chartStyle = `<style>text{font:12px system-ui,sans-serif;fill:#24292f}.t{font-weight:600}.g{stroke:#8884}@media(prefers-color-scheme:dark){text{fill:#e6edf3}}</style>`

// colours are by kind of server.
var colours = map[string]string{kindFloor: "#8b949e", kindWorkerd: "#e8833a", kindRivet: "#a371f7", kindHost: "#2f81f7"}

// chartsOf returns a chart for each table with results, by its name.
func chartsOf(o options, results []result) map[string]string {
	charts := map[string]string{}
	if o.charts == "" {
		return charts
	}
	for _, t := range tables {
		if svg := t.svg(listOf(t.name, o, results), results); svg != "" {
			charts[t.name] = svg
		}
	}
	return charts
}

// svg draws a table; it is empty without numbers.
func (t table) svg(list []workload, results []result) string {
	var values []float64
	for _, w := range list {
		for _, r := range rowsOf(w.name, results) {
			if s := r.of(t.chart); s.n > 0 && s.median > 0 {
				values = append(values, max(s.min, s.median/100), s.max)
			}
		}
	}
	if len(values) == 0 {
		return ""
	}
	d := drawing{s: scaleOf(slices.Min(values), slices.Max(values))}
	d.text(4, "t", "start", t.title+", "+t.unit)
	for _, w := range list {
		d.group(w, rowsOf(w.name, results), t.chart)
	}
	return d.done()
}

// scale is logarithmic, over whole powers of ten.
type scale struct{ lo, hi float64 }

func scaleOf(least, most float64) scale {
	s := scale{math.Floor(math.Log10(least)), math.Ceil(math.Log10(most))}
	s.hi = max(s.hi, s.lo+1)
	return s
}

func (s scale) x(v float64) float64 {
	part := (math.Log10(max(v, math.Pow(10, s.lo))) - s.lo) / (s.hi - s.lo)
	return chartLeft + part*(chartWidth-chartLeft-chartRight)
}

// drawing is a chart that grows downwards.
type drawing struct {
	s scale
	y int
	b strings.Builder
}

func (d *drawing) text(x float64, class, anchor, s string) {
	if d.y == 0 {
		d.y = lineHeight
	}
	fmt.Fprintf(&d.b, `<text x="%.0f" y="%d" class="%s" text-anchor="%s">%s</text>`+"\n", x, d.y, class, anchor, html.EscapeString(s))
}

func (d *drawing) group(w workload, rows []row, f func(result) float64) {
	d.y += groupSpace
	d.text(4, "t", "start", w.title)
	for _, r := range rows {
		d.y += lineHeight
		d.text(chartLeft-8, "", "end", r.target)
		s := r.of(f)
		if s.n == 0 || s.median <= 0 {
			d.text(chartLeft+4, "", "start", "–")
			continue
		}
		d.bar(s, colours[r.kind])
	}
}

func (d *drawing) bar(s spread, colour string) {
	mid := d.y - 4
	fmt.Fprintf(&d.b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="%s" stroke-width="4" stroke-linecap="round" opacity=".45"/>`, d.s.x(s.min), d.s.x(s.max), mid, mid, colour)
	fmt.Fprintf(&d.b, `<circle cx="%.1f" cy="%d" r="5" fill="%s"/>`+"\n", d.s.x(s.median), mid, colour)
	d.text(d.s.x(s.max)+10, "", "start", number(s.median))
}

// done puts the grid behind and the picture around what was drawn.
func (d *drawing) done() string {
	var b strings.Builder
	height := d.y + chartBottom + lineHeight
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img">%s`+"\n", chartWidth, height, chartStyle)
	d.y += chartBottom
	for e := d.s.lo; e <= d.s.hi; e++ {
		v := math.Pow(10, e)
		fmt.Fprintf(&b, `<line class="g" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`+"\n", d.s.x(v), d.s.x(v), lineHeight+10, d.y-12)
		d.text(d.s.x(v), "", "middle", label(v))
	}
	return b.String() + d.b.String() + "</svg>\n"
}

// label writes a power of ten.
func label(v float64) string {
	if v < 1 {
		return fmt.Sprintf("%g", v)
	}
	return thousandsOf(v)
}

func thousandsOf(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
