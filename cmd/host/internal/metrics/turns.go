package metrics

import "github.com/vivarium-run/vivarium/internal/stats"

// turns are what actors do when they are asked.
var turns = []*family{
	{
		name: "host_turns_total", kind: "counter", labels: []string{"kind", "outcome"},
		help: "Turns by what the guest was asked, host if it was not, and the group of the code that they ended with, or ok",
		values: func(s *snapshot, add func(float64, ...string)) {
			for t, n := range s.actors.Turns {
				add(float64(n), t.Kind, t.Outcome)
			}
		},
	},
	times("host_turn_seconds", "Time of a turn until its guest has run, with waits for a processor or another actor, without its commit", func(s *snapshot) stats.Spread { return s.actors.TurnTimes }),
	counter("host_gas_total", "Gas that guests have used", func(s *snapshot) uint64 { return s.actors.Gas }),
	counter("host_mailbox_refusals_total", "Requests that were refused because too many waited for their actor", func(s *snapshot) uint64 { return s.actors.MailboxesFull }),
	counters("host_overload_total", "Requests that were not run because the host had too much to do: refused at once, or dropped later since nobody waited for them any more", "outcome", func(s *snapshot) map[string]uint64 {
		return map[string]uint64{"refused": uint64(s.actors.Load.Refused), "dropped": uint64(s.actors.Load.Dropped)}
	}),
	gauge("host_actors_awake", "Actors that are awake", func(s *snapshot) int { return s.actors.Awake }),
	gauge("host_instances", "Instances that serve an actor", func(s *snapshot) int { return s.actors.Instances }),
	gauge("host_instances_max", "Instances that may live at one time", func(s *snapshot) int { return s.actors.MaxInstances }),
	gauge("host_instance_waiters", "Turns that wait for a place for their instance", func(s *snapshot) int { return s.actors.WaitInstance }),
	counter("host_crash_loops_total", "Times that an actor began to be left alone because its hooks trap", func(s *snapshot) uint64 { return s.actors.CrashLoops }),
	gauge("host_actors_left_alone", "Actors that are left alone for it now", func(s *snapshot) int { return s.actors.InCrashLoop }),
}

// work is what actors do by themselves, and what is done for them.
var work = []*family{
	times("host_schedule_delay_seconds", "Time from the moment of a schedule until its actor took it up", func(s *snapshot) stats.Spread { return s.actors.ScheduleDelays }),
	gauge("host_tasks_running", "Tasks that are worked on: fetches, calls and timers that are due", func(s *snapshot) int64 { return s.actors.Couriers }),
	gauge("host_fetches_running", "Requests of guests to the network that run", func(s *snapshot) int { return s.actors.FetchesOpen }),
	counters("host_fetches_total", "Requests of guests to the network, by outcome: answered, cancelled or a code", "outcome", func(s *snapshot) map[string]uint64 { return s.actors.Fetches }),
	counters("host_uploads_total", "Uploads of modules, by outcome: new, same for bytes that were a version already, or a code", "outcome", func(s *snapshot) map[string]uint64 { return s.actors.Uploads }),
	counters("host_log_lines_dropped_total", "Lines of actors' logs, and events, that somebody did not get, by reason", "reason", func(s *snapshot) map[string]uint64 {
		return map[string]uint64{"slow_reader": s.actors.LinesMissed, "turn_limit": s.actors.LinesLeftOut}
	}),
}
