//! Objects as the ends of syncs name them: by their name alone where their app is, and with the cluster where that is
//! one which the app has left. No name in a cluster has a space, so that the two are told apart again.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::ids::ClusterName;

const ON: &str = " on cluster ";

/// `left`: the cluster, if the app has left it.
pub fn name(object: &impl Display, left: Option<&ClusterName>) -> String {
    match left {
        Some(cluster) => format!("{object}{ON}{cluster}"),
        None => object.to_string(),
    }
}

/// The objects by their cluster; none for where the app is, which comes first.
pub fn by_cluster(objects: &[String]) -> BTreeMap<Option<&str>, Vec<&str>> {
    let mut found: BTreeMap<Option<&str>, Vec<&str>> = BTreeMap::new();
    for object in objects {
        let (object, cluster) =
            object.split_once(ON).map_or((object.as_str(), None), |(object, cluster)| (object, Some(cluster)));
        found.entry(cluster).or_default().push(object);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_told_from_a_name() {
        let west = ClusterName::new("west");
        let names = [name(&"Namespace shop", None), name(&"Namespace shop", Some(&west))];
        assert_eq!(names, ["Namespace shop", "Namespace shop on cluster west"]);
        let found: Vec<_> = by_cluster(&names).into_iter().collect();
        assert_eq!(found, [(None, vec!["Namespace shop"]), (Some("west"), vec!["Namespace shop"])]);
    }
}
