package sandbox

import "testing"

// What a version and its instances hold and cost is told.
func TestStats(t *testing.T) {
	s := open(t, t.TempDir())
	before := s.Stats()
	v := acquire(t, s, handwritten())
	w := newWorld()
	i := newInstance(t, v, w)
	mustTurn(t, i, w, turn{"work", "work", ""})
	if st := s.Stats(); st.Versions != 1 || st.Images != 1 || st.Memories != 1 || st.Shells != 0 || st.Slots < 1 || st.SlotWaits.Count() <= before.SlotWaits.Count() {
		t.Errorf("with one instance: %+v", st)
	}
	i.Close()
	if st := s.Stats(); st.Shells != 1 || st.Memories != 1 {
		t.Errorf("with one shell: %+v", st)
	}
}
