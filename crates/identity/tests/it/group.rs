//! Groups and permissions.

use clientele_contracts::access;
use clientele_contracts::identity::v1 as pb;
use clientele_contracts::identity::v1::groups_client::GroupsClient;
use clientele_platform::grpc::Transport;
use tonic::{Code, Response};

use crate::house::{Answer, House, because, fields, mask, refused};

pub(crate) async fn update(as_whom: &Transport, group: pb::Group, changed: &[&str]) -> Answer<pb::Group> {
    let request =
        pb::UpdateGroupRequest { group: Some(group), update_mask: Some(mask(changed)), request_id: String::new() };
    GroupsClient::new(as_whom.clone()).update_group(request).await.map(Response::into_inner)
}

#[tokio::test]
async fn a_group_is_created_changed_and_listed_by_name() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    let names = ["identity.user.read", "customers.customer.read", "identity.user.read"];
    let group = house.group(&administrator, "Clerks", &names).await.unwrap();
    assert_eq!(group.permissions, ["customers.customer.read", "identity.user.read"]);
    house.group(&administrator, "accountants", &[]).await.unwrap();

    let changed = pb::Group { name: "Salespeople".to_owned(), permissions: vec![], ..group.clone() };
    let changed = update(&administrator, changed, &["name"]).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.etag.as_str()), ("Salespeople", "2"));
    assert_eq!(changed.permissions, group.permissions);
    assert_eq!(refused(update(&administrator, group, &["name"]).await), because(Code::Aborted, "ETAG_MISMATCH"));

    let listed = GroupsClient::new(administrator).list_groups(pb::ListGroupsRequest::default()).await.unwrap();
    let names: Vec<_> = listed.into_inner().groups.into_iter().map(|group| group.name).collect();
    assert_eq!(names, ["accountants", "Administrators", "Salespeople"]);
}

#[tokio::test]
async fn a_name_is_taken_whatever_its_case_and_a_wrong_permission_is_named() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    house.group(&administrator, "Clerks", &[]).await.unwrap();
    assert_eq!(
        refused(house.group(&administrator, "CLERKS", &[]).await),
        because(Code::AlreadyExists, "GROUP_NAME_TAKEN")
    );
    let wrong = house.group(&administrator, "", &["identity.user.read", "identity.user.fly"]).await;
    assert_eq!(fields(wrong), ["group.name", "group.permissions[1]"]);
}

#[tokio::test]
async fn the_administrators_group_cannot_be_changed() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    let mut groups = GroupsClient::new(administrator.clone());
    let listed = groups.list_groups(pb::ListGroupsRequest::default()).await.unwrap().into_inner().groups;
    let administrators = listed.into_iter().find(|group| group.administrators).unwrap();
    for field in ["name", "permissions"] {
        let answer = update(&administrator, administrators.clone(), &[field]).await;
        assert_eq!(refused(answer), because(Code::FailedPrecondition, "ADMINISTRATORS_FIXED"));
    }
}

#[tokio::test]
async fn who_manages_groups_does_not_become_more_by_it() {
    let house = House::new().await;
    let permissions = ["identity.group.write", "identity.group.read"];
    let manager = house.somebody("manager@example.org", &permissions).await;
    let beyond = because(Code::PermissionDenied, "BEYOND_OWN_PERMISSIONS");
    assert_eq!(refused(house.group(&manager.transport, "Mine", &["identity.user.write"]).await), beyond);
    let grown = pb::Group { permissions: vec!["identity.user.write".to_owned()], ..manager.group.clone() };
    assert_eq!(refused(update(&manager.transport, grown, &["permissions"]).await), beyond);
    let smaller = pb::Group { permissions: vec!["identity.group.write".to_owned()], ..manager.group };
    update(&manager.transport, smaller, &["permissions"]).await.unwrap();
}

#[tokio::test]
async fn the_permissions_that_exist_are_those_that_methods_declare() {
    let house = House::new().await;
    let mut groups = GroupsClient::new(house.administrator().await);
    let listed = groups.list_permissions(pb::ListPermissionsRequest {}).await.unwrap().into_inner().permissions;
    let names: Vec<_> = listed.iter().map(|permission| permission.name.as_str()).collect();
    assert_eq!(names, access::permissions().keys().copied().collect::<Vec<_>>());
    let read = listed.iter().find(|permission| permission.name == "identity.store.read").unwrap();
    assert_eq!(read.methods, ["clientele.identity.v1.Stores.GetStore", "clientele.identity.v1.Stores.ListStores"]);
}

#[tokio::test]
async fn a_group_and_a_key_can_be_given_what_a_method_only_asks_about() {
    let house = House::new().await;
    let administrator = house.administrator().await;
    let names = ["customers.import.read_all", "messaging.dialog.reassign"];
    let group = house.group(&administrator, "Team leads", &names).await.unwrap();
    assert_eq!(group.permissions, names);
    let key = house.key(&administrator, &names).await.unwrap();
    assert_eq!(house.of_key(&key.secret).await.unwrap().principal.unwrap_or_default().permissions, names);

    let mut groups = GroupsClient::new(administrator);
    let listed = groups.list_permissions(pb::ListPermissionsRequest {}).await.unwrap().into_inner().permissions;
    let reassign = listed.iter().find(|permission| permission.name == "messaging.dialog.reassign").unwrap();
    let methods = ["clientele.messaging.v1.Dialogs.AssignDialog", "clientele.messaging.v1.Dialogs.CloseDialog"];
    assert_eq!(reassign.methods, methods);
}
