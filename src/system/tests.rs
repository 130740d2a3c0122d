use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::RecvTimeoutError;
use expect_test::expect;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

use super::*;
use crate::clock::FakeTime;
use crate::queue::MessageQueue;
use crate::system::gauges::Gauges;

/// Ends a test that would otherwise hang; no test waits for it.
const LONG: Duration = Duration::from_secs(60);

fn recorder() -> PrometheusRecorder {
    PrometheusBuilder::new().build_recorder()
}

/// What was recorded, sorted.
fn series(recorder: &PrometheusRecorder) -> Vec<String> {
    let text = recorder.handle().render();
    let mut lines: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(ToOwned::to_owned)
        .collect();
    lines.sort_unstable();
    lines
}

/// Burns CPU time until the operating system has counted some.
fn burn() {
    let before = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let spent = |s: &str| s.split(' ').next().unwrap().parse::<u64>().unwrap();
    loop {
        let now = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        if spent(&now) - spent(&before) > 50_000_000 {
            return;
        }
    }
}

/// What the kernel says.
fn memory_of_the_machine() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = total.and_then(|line| line.trim().strip_suffix(" kB"));
    kibibytes.unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn a_sample_of_this_process_is_plausible() {
    let time = FakeTime::start();
    time.run(|| {
        let mut probe = SystemProbe::new().unwrap();
        let first = probe.sample_once().unwrap();
        assert_eq!(
            first.cpu_utilization, None,
            "there is nothing to compare with"
        );
        assert_eq!(first.host_cpu_utilization, None);
        assert!(first.memory_bytes > 1 << 20);
        assert!(first.virtual_bytes > first.memory_bytes);
        assert!(first.open_files.unwrap() >= 3);
        // This test's thread and the main one at least.
        assert!(first.threads.unwrap() >= 2);
        assert!((0.01..1.0).contains(&first.host_memory_utilization.unwrap()));
        assert_eq!(first.host_memory_bytes, Some(memory_of_the_machine()));

        burn();
        time.advance(Duration::from_secs(100));
        let second = probe.sample_once().unwrap();
        // Less than a core, spread over a hundred seconds, but not nothing.
        let cpu = second.cpu_utilization.unwrap();
        assert!(cpu > 0.0 && cpu < 0.5, "{cpu}");
        let host_cpu = second.host_cpu_utilization.unwrap();
        assert!((0.0..=1.0).contains(&host_cpu));
        let sum = |modes: &[(CpuMode, f64)]| modes.iter().map(|(_, share)| share).sum::<f64>();
        let names = |modes: &[(CpuMode, f64)]| {
            let names: Vec<_> = modes.iter().map(|(mode, _)| mode.as_str()).collect();
            names.join(" ")
        };
        assert_eq!(names(&second.cpu_modes), "user system");
        assert!((sum(&second.cpu_modes) - cpu).abs() < 1e-9);
        assert!(second.cpu_modes[0].1 > 0.0, "it burned in user mode");
        assert_eq!(
            names(&second.host_cpu_modes),
            "user nice system interrupt steal"
        );
        assert!((sum(&second.host_cpu_modes) - host_cpu).abs() < 1e-9);
        assert_eq!(second.uptime - first.uptime, Duration::from_secs(100));
    });
}

#[test]
fn a_thread_that_computes_is_among_the_busiest_by_its_name() {
    let (burn_again, asked) = crossbeam_channel::bounded(0);
    let (burned, done) = crossbeam_channel::bounded(0);
    let burning = std::thread::Builder::new().name("burns-a-lot-and-long".into());
    let burning = burning.spawn(move || {
        for () in asked {
            burn();
            burned.send(()).unwrap();
        }
    });
    let mut probe = SystemProbe::new().unwrap();
    assert_eq!(probe.sample_once().unwrap().thread_cpu, []);
    // Other tests compute as well, so it may take some looks until it is one of five.
    let found = (0..20).find_map(|_| {
        burn_again.send(()).unwrap();
        done.recv().unwrap();
        let cpu = probe.sample_once().unwrap().thread_cpu;
        assert_eq!(cpu.last().map(|rest| &*rest.name), Some("_OTHER"));
        cpu.into_iter().find(|cpu| &*cpu.name == "burns-a-lot-and")
    });
    assert!(found.unwrap().cpu_utilization > 0.0);
    drop(burn_again);
    burning.unwrap().join().unwrap();
}

#[test]
fn an_open_file_is_counted() {
    let mut probe = SystemProbe::new().unwrap();
    let listed = fs::read_dir("/proc/self/fd").unwrap().count() as u64 - 1;
    let sampled = probe.sample_once().unwrap().open_files.unwrap();
    // Other tests open files too.
    assert!(sampled.abs_diff(listed) < 20, "{sampled} for {listed}");
}

#[test]
fn a_name_tells_the_type() {
    let types: Vec<_> = [
        "WebKitWebProces",
        "WebKitWebProcess",
        "WebKitNetworkPr",
        "WebKitGPUProces",
        "WebKitPluginPro",
        "com.apple.WebKit.WebContent",
        "com.apple.WebKit.Networking",
        "com.apple.WebKit.GPU",
        "msedgewebview2.exe",
        "sleep",
        "",
    ]
    .into_iter()
    .map(|name| WebviewProcessType::of(name).map_or("-", WebviewProcessType::as_str))
    .collect();
    assert_eq!(
        types.join(" "),
        "web web network gpu other web network gpu other - -"
    );
}

/// Processes with the names of a webview's, ended and removed when dropped.
struct Webview {
    dir: PathBuf,
    children: Vec<Child>,
    orphan: Option<String>,
}

impl Webview {
    fn new(test: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("spanwire-{}-{test}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Self {
            dir,
            children: Vec::new(),
            orphan: None,
        }
    }

    fn program(&self, name: &str) -> PathBuf {
        let program = self.dir.join(name);
        if !program.exists() {
            fs::copy("/bin/sleep", &program).unwrap();
        }
        program
    }

    fn spawn(&mut self, name: &str) {
        let program = self.program(name);
        self.children
            .push(Command::new(program).arg("1000").spawn().unwrap());
    }

    /// Starts one that is not a descendant of this process: its parent, a shell, has ended.
    fn spawn_elsewhere(&mut self, name: &str) {
        let script = format!(
            "{} 1000 >/dev/null 2>&1 & echo $!",
            self.program(name).display()
        );
        let shell = Command::new("sh").args(["-c", &script]).output().unwrap();
        self.orphan = Some(String::from_utf8(shell.stdout).unwrap().trim().to_owned());
    }

    /// Ends them, but does not ask how they ended: so they stay listed as zombies.
    fn kill(&mut self) {
        for child in &mut self.children {
            child.kill().unwrap();
            let stat = format!("/proc/{}/stat", child.id());
            while !fs::read_to_string(&stat).unwrap().contains(") Z ") {
                std::thread::yield_now();
            }
        }
    }

    fn reap(&mut self) {
        for mut child in self.children.drain(..) {
            child.wait().unwrap();
        }
    }
}

impl Drop for Webview {
    fn drop(&mut self) {
        self.kill();
        self.reap();
        if let Some(orphan) = &self.orphan {
            Command::new("kill").arg(orphan).status().unwrap();
        }
        fs::remove_dir_all(&self.dir).unwrap();
    }
}

fn count(sample: &SystemSample, process_type: WebviewProcessType) -> Option<u64> {
    sample
        .webview_processes
        .iter()
        .find(|sum| sum.process_type == process_type)
        .map(|sum| sum.count)
}

// One test, since the children of one would be seen by the other.
#[test]
fn a_webviews_processes_are_found_summed_and_forgotten() {
    let time = FakeTime::start();
    time.run(|| {
        let mut webview = Webview::new("found");
        let mut probe = SystemProbe::new().unwrap();
        assert_eq!(
            count(&probe.sample_once().unwrap(), WebviewProcessType::Web),
            None,
            "a type that was never seen is not listed"
        );

        webview.spawn("WebKitWebProcess");
        webview.spawn("WebKitWebProcess");
        webview.spawn("sleep");
        webview.spawn_elsewhere("WebKitGPUProcess");
        assert_eq!(
            count(&probe.sample_once().unwrap(), WebviewProcessType::Web),
            None,
            "it is not yet time to look again"
        );
        time.advance(Duration::from_secs(1));
        let found = probe.sample_once().unwrap();
        let [web] = &found.webview_processes[..] else {
            panic!("{found:?}");
        };
        assert_eq!((web.process_type, web.count), (WebviewProcessType::Web, 2));
        assert_eq!(web.cpu_utilization, None, "both are new");
        assert!(web.memory_bytes > 0);
        time.advance(Duration::from_millis(500));
        let again = probe.sample_once().unwrap();
        assert!(again.webview_processes[0].cpu_utilization.is_some());
        assert_eq!(again.webview_processes[0].cpu_modes.len(), 2);

        webview.kill();
        let gone = probe.sample_once().unwrap();
        let [web] = &gone.webview_processes[..] else {
            panic!("{gone:?}");
        };
        assert_eq!((web.count, web.memory_bytes), (0, 0));
        assert_eq!(web.cpu_utilization, Some(0.0));

        webview.reap();
        webview.spawn("WebKitWebProcess");
        let after = probe.sample_once().unwrap();
        assert_eq!(
            count(&after, WebviewProcessType::Web),
            Some(1),
            "after a loss the next look searches at once"
        );
    });
}

/// A quarter of it is the system's.
fn modes(cpu: Option<f64>) -> Vec<(CpuMode, f64)> {
    let modes = |cpu| [(CpuMode::User, 0.75 * cpu), (CpuMode::System, 0.25 * cpu)];
    cpu.into_iter().flat_map(modes).collect()
}

fn sample_of(cpu: Option<f64>, web: Option<f64>) -> SystemSample {
    SystemSample {
        cpu_utilization: cpu,
        cpu_modes: modes(cpu),
        memory_bytes: 1_000,
        virtual_bytes: 2_000,
        allocator: AllocatorFigures::allocated(700).mapped(900),
        threads: Some(3),
        thread_cpu: cpu.map_or_else(Vec::new, |share| {
            let of = |name: &str, cpu_utilization| ThreadCpu {
                name: name.into(),
                cpu_utilization,
            };
            vec![of("worker", 0.5 * share), of("_OTHER", 0.5 * share)]
        }),
        open_files: None,
        uptime: Duration::from_millis(1_500),
        host_cpu_utilization: cpu,
        host_cpu_modes: modes(cpu),
        host_memory_utilization: Some(0.5),
        host_memory_bytes: Some(8_000),
        webview_processes: vec![WebviewProcesses {
            process_type: WebviewProcessType::Web,
            count: 2,
            cpu_utilization: web,
            cpu_modes: modes(web),
            memory_bytes: 4_000,
        }],
    }
}

#[test]
fn a_sample_goes_to_its_gauges_and_the_unknown_makes_no_series() {
    let recorder = recorder();
    let gauges = Gauges::new();
    metrics::with_local_recorder(&recorder, || gauges.record(&sample_of(None, None)));
    let first = series(&recorder);
    metrics::with_local_recorder(&recorder, || {
        gauges.record(&sample_of(Some(0.25), Some(0.125)));
    });
    let second = series(&recorder);
    let new = second.iter().filter(|line| !first.contains(line));
    let text = |lines: &mut dyn Iterator<Item = &String>| {
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    expect![[r#"
        process_memory_usage 1000
        process_memory_virtual 2000
        process_thread_count 3
        process_uptime 1.5
        spanwire_allocator_allocated 700
        spanwire_allocator_mapped 900
        spanwire_webview_process_count{spanwire_webview_process_type="web"} 2
        spanwire_webview_process_memory_usage{spanwire_webview_process_type="web"} 4000
        system_memory_limit 8000
        system_memory_utilization{system_memory_state="used"} 0.5
    "#]]
    .assert_eq(&text(&mut first.iter()));
    expect![[r#"
        process_cpu_utilization{cpu_mode="system"} 0.0625
        process_cpu_utilization{cpu_mode="user"} 0.1875
        spanwire_process_thread_cpu_utilization{thread_name="_OTHER"} 0.125
        spanwire_process_thread_cpu_utilization{thread_name="worker"} 0.125
        spanwire_webview_process_cpu_utilization{spanwire_webview_process_type="web",cpu_mode="system"} 0.03125
        spanwire_webview_process_cpu_utilization{spanwire_webview_process_type="web",cpu_mode="user"} 0.09375
        system_cpu_utilization{cpu_mode="system"} 0.0625
        system_cpu_utilization{cpu_mode="user"} 0.1875
    "#]]
    .assert_eq(&text(&mut new.into_iter()));
}

#[test]
fn cpu_that_the_system_does_not_split_is_a_series_without_a_mode() {
    let recorder = recorder();
    let mut sample = sample_of(Some(0.25), None);
    sample.cpu_modes.clear();
    metrics::with_local_recorder(&recorder, || Gauges::new().record(&sample));
    let series = series(&recorder);
    assert!(
        series.contains(&"process_cpu_utilization 0.25".to_owned()),
        "{series:?}"
    );
}

#[test]
fn a_sample_brings_all_other_gauges_up_to_date() {
    let recorder = recorder();
    let series = metrics::with_local_recorder(&recorder, || {
        let queue = MessageQueue::bounded("sampled", 7);
        queue.push(1).unwrap();
        let mut probe = SystemProbe::new().unwrap();
        assert!(!sampler::sample(&mut probe, &Gauges::new(), false));
        assert_eq!(queue.len(), 1);
        series(&recorder)
    });
    let starts = |start: &str| series.iter().any(|line| line.starts_with(start));
    assert!(starts("process_memory_usage "));
    assert!(starts(
        r#"spanwire_queue_size{spanwire_queue_name="sampled"} 1"#
    ));
}

#[test]
fn allocator_is_asked_with_each_sample_and_its_panic_leaves_one_without_figures() {
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    let mut probe = SystemProbe::new().unwrap().allocator(move || {
        let asked = counter.fetch_add(1, Ordering::Relaxed);
        assert_ne!(asked, 1, "the look that panics");
        AllocatorFigures::allocated(asked).resident(10).mapped(20)
    });
    let mut figures = || probe.sample_once().unwrap().allocator;
    let known = |allocated| {
        AllocatorFigures::allocated(allocated)
            .resident(10)
            .mapped(20)
    };
    assert_eq!(figures(), known(0));
    assert_eq!(figures(), AllocatorFigures::default());
    assert_eq!(figures(), known(2));
}

#[test]
fn dropping_the_guard_ends_its_thread() {
    let sampler = SystemSampler::start(LONG);
    sampler.rediscover();
    sampler.rediscover();
    let ended = sampler.ended();
    drop(sampler);
    assert_eq!(
        ended.recv_timeout(LONG),
        Err(RecvTimeoutError::Disconnected)
    );
}
