//! What is played, and what has to come of it.

use std::cell::RefCell;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use spanwire::ipc::{Call, Ipc, PageEvents, PageState};
use spanwire::webview::Page;
use webkit2gtk::WebViewExt;
use wry::{WebViewBuilder, WebViewExtUnix};

use crate::scene::{Next, Scene, Stage};
use crate::server::Server;

/// By name.
pub(crate) const SCENARIOS: &[(&str, fn())] = &[
    ("a_page_given_as_text_can_send", html),
    ("a_page_that_cannot_send_is_detected_at_once", mute),
    ("a_page_that_crashed_can_be_loaded_again", crash),
    ("a_foreign_page_gets_no_message_and_none_is_lost", foreign),
    ("a_foreign_page_is_not_taken_for_the_next_one", impostor),
    ("a_cancelled_navigation_loses_no_message", cancelled),
    ("a_dropped_webview_releases_the_wire", dropped),
    ("a_second_webview_takes_over_the_wire", second),
    ("an_embedded_page_gets_only_its_own_files", embedded),
    ("a_dev_server_may_start_after_the_window", dev_server),
];

/// The app's page: it says where it is, and each `note` that it hears.
const APP: &[u8] = b"<!doctype html><script src='app.js'></script>";
const APP_JS: &[u8] = b"spanwire.on('note', (text) => spanwire.emit('say', 'note ' + text));
    spanwire.emit('say', 'at ' + location.pathname);";

fn app() -> Page {
    Page::embedded("app", |path| {
        Some(match path {
            "app.js" => APP_JS.into(),
            _ => APP.into(),
        })
    })
    .unwrap()
}

fn wire() -> Ipc {
    Ipc::builder("main").build()
}

fn counted(ipc: &Ipc, event: &str) -> Arc<AtomicU64> {
    let count = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&count);
    ipc.on(event, move |_: &Call<'_>| {
        _ = counter.fetch_add(1, Ordering::SeqCst)
    })
    .unwrap();
    count
}

fn html() {
    let mut scene = Scene::new(wire);
    scene.ipc.emit("note", "early").unwrap();
    let page = "<script>spanwire.on('note', (text) => spanwire.emit('say', text + ' at ' + location.href))</script>";
    let builder = WebViewBuilder::new().with_html(page);
    scene.play(builder, |stage, heard| {
        assert_eq!(heard, "early at about:blank");
        assert_eq!(stage.ipc.page_state(), PageState::Ready);
        Next::End
    });
}

fn mute() {
    let mut scene = Scene::new(wire);
    let folder = std::env::temp_dir().join(format!("spanwire-mute-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("page.html");
    // None of these arrives, so the page ends its turn by its title.
    let page = "<title>loaded</title><script>spanwire.emit('say', 'lost')</script>";
    std::fs::write(&file, page).unwrap();

    let tell = scene.teller();
    let said = Rc::new(RefCell::new(false));
    let builder = app()
        .load(WebViewBuilder::new())
        .with_document_title_changed_handler(move |title| {
            if title == "loaded" {
                tell.tell("mute page is there");
            }
        });
    let urls = [
        format!("file://{}", file.display()),
        format!("data:text/html,{page}"),
        format!("data:text/html,{page}<p>"),
    ];
    let mut rest = urls.iter();
    scene.play(builder, |stage, heard| {
        if let Some(url) = rest.next() {
            stage.webview.load_url(url).unwrap();
            return Next::Wait;
        }
        if !said.replace(true) {
            // An address that grows too long, in a page that could send before.
            let script = "history.pushState(0, '', '/?' + 'a'.repeat(66000)); document.title = 'loaded'; spanwire.emit('say', 'lost')";
            assert_eq!(heard, "mute page is there");
            stage.webview.load_url("app://localhost/again").unwrap();
            stage.ipc.emit("note", script).unwrap();
            return Next::Wait;
        }
        match heard {
            "at /again" => Next::Wait,
            "mute page is there" => Next::End,
            note => {
                let script = note.strip_prefix("note ").unwrap();
                stage.webview.evaluate_script(script).unwrap();
                Next::Wait
            }
        }
    });
    std::fs::remove_dir_all(&folder).unwrap();

    let labels = [("error.type", "unsupported_address")];
    let count = scene.capture.counter("spanwire.page.errors", &labels);
    assert_eq!(count, 4, "{}", scene.capture.metrics());
    let logs = scene.capture.logs();
    for (kind, times) in [
        ("file: address", 1),
        ("data: address", 1),
        ("65,535 bytes", 1),
    ] {
        assert_eq!(logs.matches(kind).count(), times, "{kind} in {logs}");
    }
    assert!(!logs.contains("page.html"), "no address in {logs}");
}

fn crash() {
    let mut scene = Scene::new(wire);
    let tell = scene.teller();
    scene.ipc.on_page_crash(move || tell.tell("crashed"));
    let mut loads = 0;
    let builder = app().load(WebViewBuilder::new());
    scene.play(builder, |stage, heard| match heard {
        "at /" if loads == 0 => {
            loads += 1;
            assert_eq!(web_processes().len(), 1);
            for pid in web_processes() {
                assert!(kill(pid));
            }
            Next::Wait
        }
        "crashed" => {
            assert_eq!(stage.ipc.page_state(), PageState::Gone);
            assert!(web_processes().is_empty());
            stage.ipc.emit("note", "for the next page").unwrap();
            stage.webview.reload().unwrap();
            Next::Wait
        }
        "at /" => {
            assert_eq!(stage.ipc.page_state(), PageState::Ready);
            Next::Wait
        }
        "note for the next page" => Next::End,
        other => panic!("{other}"),
    });
    let labels = [("error.type", "page_crashed")];
    assert_eq!(scene.capture.counter("spanwire.page.errors", &labels), 1);
    let logs = scene.capture.logs();
    assert_eq!(
        logs.matches("the page's process crashed").count(),
        1,
        "{logs}"
    );
}

/// The processes that run this process' pages.
fn web_processes() -> Vec<u32> {
    let is_web = |pid: u32| {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}"));
        let (Ok(name), Ok(stat)) = (read("comm"), read("stat")) else {
            return false;
        };
        let mut fields = stat.rsplit(") ").next().unwrap().split(' ');
        let (state, parent) = (fields.next(), fields.next());
        name.starts_with("WebKitWebProces")
            && state != Some("Z")
            && parent == Some(&std::process::id().to_string())
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| is_web(*pid))
        .collect()
}

fn kill(pid: u32) -> bool {
    let status = std::process::Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status();
    status.is_ok_and(|status| status.success())
}

/// A page of somebody else: it looks at all that it can see of the wire.
const FOREIGN: &str = "<!doctype html><title>foreign</title><script>
    for (const event of ['note', 'message']) addEventListener(event, () => document.title = 'leaked');
    spanwire.on('note', () => document.title = 'leaked');
    spanwire.emit('evil');
    spanwire.invoke('evil').then(() => document.title = 'leaked', (error) => document.title = error.code);
</script>";

fn foreign() {
    let server = Server::start(FOREIGN);
    let mut scene = Scene::new(|| Ipc::builder("main").allow_origin("app://localhost").build());
    let evil = counted(&scene.ipc, "evil");
    let (tell, go_home) = (scene.teller(), scene.teller());
    let titles = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&titles);
    let builder = app()
        .load(WebViewBuilder::new())
        .with_document_title_changed_handler(move |title| {
            tell.tell(&format!("title {title}"));
            seen.borrow_mut().push(title);
        });
    let mut loads = 0;
    scene.play(builder, |stage, heard| {
        let Stage { ipc, webview, .. } = stage;
        match heard {
            "at /" => {
                loads += 1;
                if loads == 1 {
                    // By the page itself, as a link would.
                    let go = format!("location.href = '{}/'", server.origin());
                    webview.evaluate_script(&go).unwrap();
                }
            }
            // It was told that there is nothing for it.
            "title FORBIDDEN" => {
                assert_ne!(ipc.page_state(), PageState::Ready);
                ipc.emit("note", "kept").unwrap();
                ipc.eval("document.title = 'leaked'").unwrap();
                ipc.emit("note", "kept, too").unwrap();
                // Behind the wake that these caused.
                go_home.tell("go home");
            }
            "go home" => webview.load_url("app://localhost/").unwrap(),
            "note kept" => assert_eq!(loads, 2),
            "note kept, too" => return Next::End,
            _ => {}
        }
        Next::Wait
    });
    let titles = titles.borrow();
    let leak = titles.iter().position(|title| title == "leaked");
    let home = titles
        .iter()
        .rposition(|title| title == "FORBIDDEN")
        .unwrap();
    assert!(leak.is_none_or(|leak| leak > home), "{titles:?}");
    assert_eq!(evil.load(Ordering::SeqCst), 0);
    let logs = scene.capture.logs();
    let waits = format!("since {} is not allowed", server.origin());
    assert_eq!(logs.matches(&waits).count(), 1, "{logs}");
}

fn impostor() {
    // It talks all the time, also while the app's page is on its way, and in the form that carries no
    // nonce: the origin alone tells them apart.
    let server = Server::start(
        "<title>foreign</title><script>
            const text = JSON.stringify({ type: 'event', event: 'evil' });
            setInterval(() => window.ipc.postMessage(text), 1);
        </script>",
    );
    let slow = Server::start("<script>spanwire.emit('say', 'at home')</script>");
    let home = slow.origin();
    let mut scene = Scene::new(|| {
        let builder = Ipc::builder("main").page_events(PageEvents::SpanwireAndPlain);
        builder.allow_origin(&home).build()
    });
    let evil = counted(&scene.ipc, "evil");
    let tell = scene.teller();
    let builder = WebViewBuilder::new()
        .with_url(server.origin())
        .with_document_title_changed_handler(move |_| tell.tell("foreign"));
    scene.play(builder, |stage, heard| match heard {
        "foreign" => {
            stage.webview.load_url(&format!("{home}/slow")).unwrap();
            // Its messages carry the address that is coming from now on.
            assert_eq!(stage.webview.url().unwrap(), format!("{home}/slow"));
            // Time for it to say a lot with that.
            std::thread::sleep(std::time::Duration::from_millis(100));
            stage.ipc.emit("note", "for home").unwrap();
            slow.open_gate();
            Next::Wait
        }
        "at home" => Next::End,
        other => panic!("{other}"),
    });
    assert_eq!(evil.load(Ordering::SeqCst), 0);
    let labels = [("error.type", "forbidden_origin")];
    let refused = scene.capture.counter("spanwire.ipc.messages", &labels);
    assert!(refused > 0, "it never tried");
}

fn cancelled() {
    let mut scene = Scene::new(wire);
    let (tell, asked) = (scene.teller(), scene.teller());
    let server = Server::telling(FOREIGN, move |path| asked.tell(path));
    let builder = app()
        .load(WebViewBuilder::new())
        .with_navigation_handler(|url| !url.ends_with("/refused"))
        .with_download_started_handler(move |_, _| {
            tell.tell("download");
            false
        });
    let (mut loads, mut asked_for_slow) = (0, false);
    scene.play(builder, |stage, heard| {
        let Stage { ipc, webview, .. } = stage;
        let go = |path: &str| {
            webview
                .load_url(&format!("{}{path}", server.origin()))
                .unwrap();
            ipc.emit("note", &format!("on the way to {path}")).unwrap();
        };
        match heard {
            "at /" => {
                loads += 1;
                go("/download");
            }
            "note on the way to /download" => go("/refused"),
            "note on the way to /refused" => go("/slow"),
            // The server has no hurry, and the app no patience.
            "/slow" => {
                asked_for_slow = true;
                assert_eq!(webview.url().unwrap(), format!("{}/slow", server.origin()));
                webview.webview().stop_loading();
            }
            "note on the way to /slow" => {
                assert!(
                    asked_for_slow,
                    "it waits as long as nobody knows who gets it"
                );
                return Next::End;
            }
            _ => {}
        }
        Next::Wait
    });
    assert_eq!(loads, 1, "it is the same page all the time");
    assert_eq!(scene.ipc.metrics().messages_failed, 0);
}

fn dropped() {
    let mut scene = Scene::new(wire);
    let builder = app().load(WebViewBuilder::new());
    let webview = scene.play(builder, |_, _| Next::End);
    assert_eq!(scene.ipc.page_state(), PageState::Ready);
    drop(webview);
    scene.settle();
    assert_eq!(scene.ipc.page_state(), PageState::Gone);
    scene.ipc.emit("note", "for nobody").unwrap();

    // The handler is the wire's, and ends with it: the webview keeps none of it.
    let held = Arc::new(());
    let holder = Arc::clone(&held);
    scene
        .ipc
        .on("unused", move |_: &Call<'_>| _ = &holder)
        .unwrap();
    let capture = scene.capture.clone();
    capture.run(|| drop(scene));
    assert_eq!(Arc::strong_count(&held), 1, "the wire lives on");
    let labels = [("spanwire.outcome", "dropped"), ("error.type", "shutdown")];
    assert_eq!(capture.counter("spanwire.ipc.messages", &labels), 1);
}

fn second() {
    let mut scene = Scene::new(wire);
    let first = scene.play(app().load(WebViewBuilder::new()), |_, _| Next::End);
    drop(first);
    scene.settle();
    scene.ipc.emit("note", "for the second").unwrap();
    scene.play(app().load(WebViewBuilder::new()), |_, heard| match heard {
        "note for the second" => Next::End,
        _ => Next::Wait,
    });
}

/// Each line is what the page saw of one thing.
const LOOK: &[u8] = br#"
const say = (what, seen) => spanwire.emit('say', what + ': ' + seen);
const look = async (path) => {
    const answer = await fetch(path).catch(() => null);
    say(path, answer ? answer.status + ' ' + answer.headers.get('content-type') : 'refused');
};
let violations = 0;
addEventListener('securitypolicyviolation', (event) => {
    say('policy', event.effectiveDirective);
    if (++violations === 2) spanwire.emit('say', 'done');
});
await look('data.json');
await look('folder/');
await look('missing.png');
await look('%2e%2e/secret');
await look('https://elsewhere.invalid/');
const inline = document.createElement('script');
inline.textContent = "spanwire.emit('say', 'inline: ran')";
document.head.append(inline);
"#;

fn embedded() {
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let paths = Arc::clone(&asked);
    let page = Page::embedded("app", move |path| {
        paths.lock().unwrap().push(path.to_owned());
        Some(match path {
            "index.html" => b"<script type=module src=look.js></script>"
                .as_slice()
                .into(),
            "look.js" => LOOK.into(),
            "data.json" => b"{}".as_slice().into(),
            "folder/index.html" => b"<p>".as_slice().into(),
            _ => return None,
        })
    })
    .unwrap();
    let mut scene = Scene::new(|| Ipc::builder("main").allow_origin(page.origin()).build());
    let mut seen = Vec::new();
    scene.play(page.load(WebViewBuilder::new()), |_, heard| {
        if heard == "done" {
            return Next::End;
        }
        seen.push(heard.to_owned());
        Next::Wait
    });
    seen.sort();
    assert_eq!(
        seen,
        [
            "%2e%2e/secret: 404 text/plain",
            "data.json: 200 application/json; charset=utf-8",
            "folder/: 200 text/html; charset=utf-8",
            "https://elsewhere.invalid/: refused",
            "missing.png: 404 text/plain",
            "policy: connect-src",
            "policy: script-src-elem",
        ]
    );
    let asked = asked.lock().unwrap();
    assert!(asked.iter().all(|path| !path.contains("..")), "{asked:?}");
}

fn dev_server() {
    // A free port, where nobody listens yet.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let page = Page::dev_server(&format!("http://{address}/app")).unwrap();
    assert_eq!(page.origin(), format!("http://{address}"));
    let mut scene = Scene::new(|| Ipc::builder("main").allow_origin(page.origin()).build());
    let tell = scene.teller();
    let builder = page
        .load(WebViewBuilder::new())
        .with_document_title_changed_handler(move |title| tell.tell(&title));
    scene.ipc.emit("note", "early").unwrap();
    let mut server = None;
    scene.play(builder, |_, heard| match heard {
        "Waiting for the dev server" if server.is_none() => {
            let listener = TcpListener::bind(address).unwrap();
            let page = "<title>dev</title><script>spanwire.on('note', () => spanwire.emit('say', 'got it at ' + location.pathname))</script>";
            server = Some(Server::listen(listener, page, |_| ()));
            Next::Wait
        }
        "got it at /app" => Next::End,
        _ => Next::Wait,
    });
    let labels = [("error.type", "forbidden_origin")];
    let refused = scene.capture.counter("spanwire.ipc.messages", &labels);
    assert_eq!(refused, 0, "the page that waits is nobody's");
}
