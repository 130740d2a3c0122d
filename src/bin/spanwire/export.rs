//! Writing a bundle out: everything or nothing, and never through a link.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::bundle::{Bundle, File};
use crate::runbooks::RunbookUrl;
use crate::text::{count, few};

/// Where it is asked to write to.
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// The folder to write to; it is created if it does not exist
    pub(crate) dir: PathBuf,

    /// Overwrites files that differ; without it nothing is written when a file differs
    #[arg(long)]
    pub(crate) force: bool,

    /// The URL at which you publish the exported runbooks: alerts get a `runbook_url` below it,
    /// and dashboards a link
    #[arg(long, value_name = "URL", value_parser = RunbookUrl::parse)]
    pub(crate) runbooks: Option<RunbookUrl>,
}

/// Writes a bundle, and then what its server has to know.
pub(super) fn run<W: Write>(
    out: &mut W,
    to: &Export,
    bundle: &Bundle,
    needs: impl FnOnce(&mut W, &Path) -> io::Result<()>,
) -> io::Result<Outcome> {
    let files = bundle.files().map(|file| match &to.runbooks {
        Some(url) => url.link(file),
        None => file,
    });
    // Everything is looked at before anything is written, so all obstacles are told at once.
    let checked = Checked::new(&to.dir, files);
    let differing: Vec<_> = checked.with(Found::Other).collect();
    if !checked.obstacles.is_empty() || (!differing.is_empty() && !to.force) {
        let err = &mut io::stderr().lock();
        for obstacle in &checked.obstacles {
            writeln!(err, "error: {obstacle}")?;
        }
        if !to.force {
            for file in &differing {
                let path = to.dir.join(&file.path);
                writeln!(err, "error: {} is there and differs", path.display())?;
            }
        }
        writeln!(err, "nothing was written")?;
        if !differing.is_empty() && !to.force {
            writeln!(err, "remedy: --force overwrites; or take another folder")?;
        }
        return Ok(Outcome::Bad);
    }
    // A file that is the same is not written: its time would change, and Grafana would load it
    // again.
    let files: Vec<&File> = checked.all_but(Found::Same).collect();
    let mut written: Vec<&str> = Vec::new();
    if let Err(Unwritten { path, error }) = write_all(&to.dir, &files, &mut written) {
        let before = match written.len() {
            0 => "nothing was written".to_owned(),
            many => format!("{} were written before", count(many, "file")),
        };
        let path = path.display();
        writeln!(
            io::stderr(),
            "error: cannot write {path}: {error}\n{before}"
        )?;
        return Ok(Outcome::Bad);
    }
    // It is there now, so only a lost working directory can fail here.
    let dir = std::path::absolute(&to.dir).unwrap_or_else(|_| to.dir.clone());
    for path in &written {
        writeln!(out, "wrote {path}")?;
    }
    let same = checked.with(Found::Same).count();
    write!(
        out,
        "{} written to {}",
        count(written.len(), "file"),
        dir.display()
    )?;
    if same > 0 {
        write!(out, ", {same} were there already")?;
    }
    writeln!(out)?;
    // They are told and not deleted: they may be the user's own.
    let strangers = strangers(&to.dir, bundle);
    if !strangers.is_empty() {
        let names = few(&strangers);
        writeln!(
            out,
            "also there, not of this version, and loaded with the rest: {names}"
        )?;
    }
    writeln!(out)?;
    // With the absolute path, since servers start in another folder.
    needs(out, &dir)?;
    Ok(Outcome::Good)
}

/// What Grafana's environment needs for what was exported to `dir`.
pub(super) fn grafana_needs<W: Write>(out: &mut W, dir: &Path) -> io::Result<()> {
    let provisioning = shell(&dir.join("provisioning"));
    let dashboards = shell(&dir.join("dashboards"));
    write!(
        out,
        "Grafana loads them with this in its environment:

  GF_PATHS_PROVISIONING={provisioning}
  SPANWIRE_DASHBOARDS={dashboards}
  SPANWIRE_PROMETHEUS_URL=http://127.0.0.1:9090
  SPANWIRE_JAEGER_URL=http://127.0.0.1:16686
  SPANWIRE_SCRAPE_INTERVAL=1s
  GF_DASHBOARDS_MIN_REFRESH_INTERVAL=1s

SPANWIRE_SCRAPE_INTERVAL is the interval at which your Prometheus scrapes the app.
In a container, the first two are the paths within it. A Grafana that has a provisioning folder
keeps it: copy what is in provisioning/ into that, and leave GF_PATHS_PROVISIONING out.
"
    )
}

/// What Prometheus and the Alertmanager need for what was exported to `dir`.
pub(super) fn prometheus_needs<W: Write>(out: &mut W, dir: &Path) -> io::Result<()> {
    let rules = yaml(&dir.join("rules").join("*.yml"));
    let alertmanager = shell(&dir.join("alertmanager"));
    write!(
        out,
        "Prometheus {RULES_SINCE} or newer loads them with this in its prometheus.yml:

  rule_files:
    - {rules}
  alerting:
    alertmanagers:
      - static_configs:
          - targets: ['127.0.0.1:9093']
  scrape_configs:
    - job_name: spanwire
      scrape_interval: 1s
      static_configs:
        - targets: ['127.0.0.1:9464']

It reads that again on SIGHUP. These flags it needs from its start, the first for the way from
a panel to a trace, the second when metrics are sent to it over OTLP:

  --enable-feature=exemplar-storage --web.enable-otlp-receiver

Prometheus does not start with a flag that it does not know: `prometheus --version` says which you
have. Before 3.0 the second is --enable-feature=otlp-write-receiver, and before 2.47 there is none.

The Alertmanager's example is for you to change, and webhook-url beside it has the address that
is told:

  cd {alertmanager} && alertmanager --config.file=alertmanager.yml
"
    )
}

/// The oldest Prometheus that the tests load the rules with. They need no feature flag.
const RULES_SINCE: &str = "2.42";

/// How to start what was exported to `dir`.
pub(super) fn stack_needs<W: Write>(out: &mut W, dir: &Path) -> io::Result<()> {
    let compose = shell(&dir.join("scripts").join("compose"));
    let guide = shell(&dir.join("deploy").join("README.md"));
    write!(
        out,
        "With Docker and its compose plugin, this starts it and ends it:

  bash {compose} up
  bash {compose} down

`up tempo` adds Tempo and Loki. Then start your app, and ask whether all is well:

  OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 your-app
  spanwire doctor

A Prometheus of your own that takes deploy/prometheus/prometheus.yml is 3.0 or newer, and needs
these flags:

  --enable-feature=exemplar-storage --web.enable-otlp-receiver

Ports, more apps, and what differs from system to system: {guide}
"
    )
}

/// What is where a file belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Same,
    Other,
}

/// What writing would meet. Nothing is changed by finding out.
#[derive(Debug)]
struct Checked {
    files: Vec<(File, Found)>,
    /// What stands in the way whatever is asked for.
    obstacles: Vec<String>,
}

impl Checked {
    fn new(dir: &Path, files: impl Iterator<Item = File>) -> Self {
        let mut checked = Self {
            files: Vec::new(),
            obstacles: Vec::new(),
        };
        if let Err(obstacle) = root(dir) {
            checked.obstacles.push(obstacle);
            return checked;
        }
        for file in files {
            match look(dir, &file) {
                Ok(found) => checked.files.push((file, found)),
                // Files of one folder meet the same obstacle.
                Err(obstacle) if checked.obstacles.contains(&obstacle) => {}
                Err(obstacle) => checked.obstacles.push(obstacle),
            }
        }
        checked
    }

    fn with(&self, found: Found) -> impl Iterator<Item = &File> {
        let files = self.files.iter();
        files.filter_map(move |(file, is)| (*is == found).then_some(file))
    }

    fn all_but(&self, found: Found) -> impl Iterator<Item = &File> {
        let files = self.files.iter();
        files.filter_map(move |(file, is)| (*is != found).then_some(file))
    }
}

/// Whether the folder is one, or can be made. It may be a link: the user named it.
fn root(dir: &Path) -> Result<(), String> {
    // Upwards to the first place that exists: the folders below it can be made.
    for place in dir.ancestors() {
        let place = if place.as_os_str().is_empty() {
            // The last ancestor of a relative path is empty.
            Path::new(".")
        } else {
            place
        };
        match (fs::metadata(place), fs::symlink_metadata(place)) {
            (Ok(there), _) if there.is_dir() => return Ok(()),
            (Ok(_), _) => return Err(format!("{} is a file, not a folder", place.display())),
            (Err(_), Ok(_)) => {
                return Err(format!("{} is a link that leads nowhere", place.display()));
            }
            // Its parent says more: it may be a file.
            (Err(error), Err(_))
                if is_missing(&error) || error.kind() == io::ErrorKind::NotADirectory => {}
            (Err(error), Err(_)) => {
                return Err(format!("cannot look at {}: {error}", place.display()));
            }
        }
    }
    Ok(())
}

fn look(dir: &Path, file: &File) -> Result<Found, String> {
    let mut place = dir.to_path_buf();
    let mut names = Path::new(&file.path).iter().peekable();
    while let Some(name) = names.next() {
        place.push(name);
        let shown = place.display();
        // Without following links, in each folder of the way: a link in the folder may lead to any
        // file that the user can write.
        let kind = match fs::symlink_metadata(&place) {
            Ok(there) => there.file_type(),
            Err(error) if is_missing(&error) => return Ok(Found::Nothing),
            Err(error) => return Err(format!("cannot look at {shown}: {error}")),
        };
        let is_last = names.peek().is_none();
        if kind.is_symlink() {
            return Err(format!(
                "{shown} is a symbolic link: what it leads to would be overwritten"
            ));
        }
        if is_last && !kind.is_file() {
            return Err(format!("{shown} is there and is no file"));
        }
        if !is_last && !kind.is_dir() {
            return Err(format!("{shown} is a file where a folder belongs"));
        }
    }
    let same = fs::metadata(&place)
        // The length first: a large file of another program is not read.
        .map(|there| there.len() == file.bytes.len() as u64)
        .and_then(|same| Ok(same && fs::read(&place)? == *file.bytes))
        .map_err(|error| format!("cannot read {}: {error}", place.display()))?;
    Ok(if same { Found::Same } else { Found::Other })
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// A file that could not be written, and why.
#[derive(Debug)]
struct Unwritten {
    path: PathBuf,
    error: io::Error,
}

/// Writes every file under another name, and when all are there, gives them theirs: a disk that is
/// full changes nothing, and a reader sees the old file or the new one, never half of it.
fn write_all<'a>(
    dir: &Path,
    files: &[&'a File],
    written: &mut Vec<&'a str>,
) -> Result<(), Unwritten> {
    let mut unfinished = Unfinished::default();
    for file in files {
        let path = dir.join(&file.path);
        if let Err(error) = unfinished.write(&path, file) {
            return Err(Unwritten { path, error });
        }
    }
    for file in files {
        let path = dir.join(&file.path);
        // A rename within a folder replaces the file in one step.
        let renamed = fs::rename(beside(&path), &path);
        renamed.map_err(|error| Unwritten { path, error })?;
        written.push(&file.path);
    }
    // The folders stay. The temporary files have been renamed, so `Drop` finds none of them.
    unfinished.folders.clear();
    Ok(())
}

/// What has been made on the way, and is gone when this is dropped.
#[derive(Debug, Default)]
struct Unfinished {
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl Unfinished {
    fn write(&mut self, path: &Path, file: &File) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            // Noted before they are made, since `create_dir_all` does not say which it made.
            let missing: Vec<&Path> = folder
                .ancestors()
                .take_while(|place| !place.as_os_str().is_empty() && !place.exists())
                .collect();
            self.folders
                .extend(missing.iter().rev().map(|place| place.to_path_buf()));
            fs::create_dir_all(folder)?;
        }
        let path = beside(path);
        // Of one that was killed and had this number, as in a container each has.
        let _ = fs::remove_file(&path);
        // `create_new` follows no link that someone has put there meanwhile.
        let mut new = fs::File::create_new(&path)?;
        // The path is noted before the bytes are written, since a full disk leaves a part of the
        // file.
        self.files.push(path.clone());
        new.write_all(&file.bytes)?;
        allow_to_run(&path, file)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        // A folder into which another program has written something stays.
        for folder in self.folders.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Where a file is before all are there: no server loads what is called like this.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // In the same folder, since a rename does not cross file systems. With the process's number,
    // since two exports may run at once.
    path.with_file_name(format!(".{name}.spanwire-{}.tmp", std::process::id()))
}

/// Who may read a program may run it.
#[cfg(unix)]
fn allow_to_run(path: &Path, file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if !file.runs() {
        return Ok(());
    }
    let mut rights = fs::metadata(path)?.permissions();
    // By the bits for reading, which the user's umask has set.
    rights.set_mode(rights.mode() | (rights.mode() & 0o444) >> 2);
    fs::set_permissions(path, rights)
}

#[cfg(not(unix))]
fn allow_to_run(_path: &Path, _file: &File) -> io::Result<()> {
    Ok(())
}

/// What a server would load beside the bundle: files of an older version, for example.
fn strangers(dir: &Path, bundle: &Bundle) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (folder, extension) in bundle.loaded {
        let entries = fs::read_dir(dir.join(folder)).into_iter().flatten();
        for name in entries.flatten().map(|entry| entry.file_name()) {
            let path = format!("{folder}/{}", name.to_string_lossy());
            let loaded = Path::new(&name)
                .extension()
                .is_some_and(|is| is == *extension);
            // Grafana and Prometheus load whatever has the extension.
            if loaded && !bundle.files().any(|file| file.path == path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A path as a shell reads it. On Windows that may be Git's bash, to which a backslash is no
/// separator, while every shell and server there takes a slash.
fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    let text = if cfg!(windows) {
        text.replace('\\', "/")
    } else {
        text
    };
    // A list of what is safe: a shell has too many special characters for a list of those.
    let plain = |c: char| c.is_alphanumeric() || "/:._-+@%,".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// A path as YAML reads it.
fn yaml(path: &Path) -> String {
    // Single quotes: YAML reads no escapes within them, so a backslash of Windows stays.
    format!("'{}'", path.display().to_string().replace('\'', "''"))
}
