//! The health of a pod: its phase, and why its containers wait.

use serde_json::Value;

use super::condition::{condition, shorten};
use super::degree::Health;

/// What a container waits for that will not come by waiting.
const HOPELESS: [&str; 6] = [
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "ErrImageNeverPull",
];

pub(super) fn pod(object: &Value) -> Health {
    let phase = object.pointer("/status/phase").and_then(Value::as_str).unwrap_or("Pending");
    match phase {
        "Succeeded" => return Health::Healthy,
        "Failed" => {
            let why =
                object.pointer("/status/message").and_then(Value::as_str).unwrap_or("one of its containers failed");
            return Health::Failed(shorten(why));
        }
        _ => {}
    }
    if let Some(stuck) = stuck_container(object) {
        return stuck;
    }
    match condition(object, "Ready") {
        Some(ready) if ready.status == "True" => Health::Healthy,
        Some(ready) if phase == "Running" => Health::Progressing(format!("it is not ready ({})", ready.text())),
        _ => match condition(object, "PodScheduled").filter(|scheduled| scheduled.status == "False") {
            Some(scheduled) => Health::Progressing(format!("it has no node ({})", scheduled.text())),
            None => Health::Progressing(format!("it is {phase}")),
        },
    }
}

fn stuck_container(object: &Value) -> Option<Health> {
    let lists = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let containers = lists.iter().filter_map(|list| object.pointer(list)?.as_array()).flatten();
    containers.into_iter().find_map(|container| {
        let reason = container.pointer("/state/waiting/reason")?.as_str()?;
        let name = container["name"].as_str().unwrap_or_default();
        HOPELESS.contains(&reason).then(|| Health::Failed(format!("container {name}: {reason}")))
    })
}
