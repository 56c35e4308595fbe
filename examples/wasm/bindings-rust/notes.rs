//! Notes in Rust: a plain module, each export of which is an action with one argument, a text, as input. It
//! keeps their number in the state and each note in an item of its own.

#[path = "../../../guest-sdk/bindings/rust/vivarium.rs"]
mod vivarium;

use vivarium::Failure;

/// Runs an action: its text is the result, its failure a refusal.
fn action(run: impl FnOnce() -> Result<String, Failure>) -> i32 {
    match run() {
        Ok(text) => {
            vivarium::plain_output(text.as_bytes());
            0
        }
        Err(f) => vivarium::plain_error(&format!("{} {}", f.code, f.message)),
    }
}

fn input_text() -> String {
    String::from_utf8_lossy(&vivarium::input()).into_owned()
}

fn count_notes() -> Result<u64, Failure> {
    let state = vivarium::state_get()?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&state).parse().unwrap_or(0))
}

fn add_note(note: &str) -> Result<u64, Failure> {
    let n = count_notes()? + 1;
    vivarium::kv_put(format!("note/{n:06}").as_bytes(), note.as_bytes())?;
    vivarium::state_set(n.to_string().as_bytes())?;
    vivarium::broadcast(b"added", format!("[{n}]").as_bytes())?;
    Ok(n)
}

/// Keeps a note, tells who listens, and gives the number of notes.
#[no_mangle]
pub extern "C" fn add() -> i32 {
    action(|| Ok(add_note(&input_text())?.to_string()))
}

/// Gives the number of notes.
#[no_mangle]
pub extern "C" fn count() -> i32 {
    action(|| Ok(count_notes()?.to_string()))
}

/// Gives all notes, a line each.
#[no_mangle]
pub extern "C" fn list() -> i32 {
    action(|| {
        let page = vivarium::kv_list(b"note/", b"", b"", 0, vivarium::LIST_PREFIX)?.unwrap_or_default();
        let (items, _) = vivarium::page(&page);
        let lines: Vec<_> = items.iter().map(|i| String::from_utf8_lossy(i.value)).collect();
        Ok(lines.join("\n"))
    })
}

/// Deletes all notes and gives their number.
#[no_mangle]
pub extern "C" fn forget() -> i32 {
    action(|| {
        let n = vivarium::kv_delete_range(b"note/", b"", 0, vivarium::LIST_PREFIX)?;
        vivarium::state_set(b"0")?;
        Ok(n.to_string())
    })
}

/// Adds a note, and then does not want it: nothing of it stays.
#[no_mangle]
pub extern "C" fn refuse() -> i32 {
    let note = input_text();
    let _ = add_note(&note);
    vivarium::plain_error(&format!("refused: {note}"))
}

/// Shows what an operation says that failed: its code and its message.
#[no_mangle]
pub extern "C" fn toolong() -> i32 {
    let key = vec![b'k'; vivarium::MAX_KV_KEY as usize + 1];
    action(|| match vivarium::kv_put(&key, b"") {
        Ok(()) => Ok(String::new()),
        Err(f) => Ok(format!("{} {}", f.code, f.message)),
    })
}

/// Adds a note a moment later, in a turn of its own, and gives the schedule's id.
#[no_mangle]
pub extern "C" fn remind() -> i32 {
    action(|| {
        let args = format!("[\"{}\"]", input_text());
        let id = vivarium::schedule_set(br#"{"action":"add","after":20}"#, args.as_bytes())?;
        Ok(String::from_utf8_lossy(&id.unwrap_or_default()).into_owned())
    })
}
