import type { EnumTables, MessageTables } from './types.ts';

/** Calls and events of the v1 scheduler API. Source: Mesos `include/mesos/v1/scheduler/scheduler.proto`. */

export const SCHEDULER_MESSAGES = {
  Filters: {
    refuse_seconds: [1, 'double'],
  },
  Request: {
    agent_id: [1, 'AgentID'],
    resources: [2, 'Resource', 'repeated'],
  },
  'scheduler.AttributeConstraint': {
    selector: [1, 'scheduler.AttributeConstraint.Selector', 'required'],
    predicate: [2, 'scheduler.AttributeConstraint.Predicate', 'required'],
  },
  'scheduler.AttributeConstraint.Predicate': {
    exists: [1, 'scheduler.AttributeConstraint.Predicate.Exists'],
    not_exists: [2, 'scheduler.AttributeConstraint.Predicate.NotExists'],
    text_equals: [3, 'scheduler.AttributeConstraint.Predicate.TextEquals'],
    text_not_equals: [4, 'scheduler.AttributeConstraint.Predicate.TextNotEquals'],
    text_matches: [5, 'scheduler.AttributeConstraint.Predicate.TextMatches'],
    text_not_matches: [6, 'scheduler.AttributeConstraint.Predicate.TextNotMatches'],
  },
  'scheduler.AttributeConstraint.Predicate.Exists': {},
  'scheduler.AttributeConstraint.Predicate.NotExists': {},
  'scheduler.AttributeConstraint.Predicate.TextEquals': {
    value: [1, 'string', 'required'],
  },
  'scheduler.AttributeConstraint.Predicate.TextMatches': {
    regex: [1, 'string', 'required'],
  },
  'scheduler.AttributeConstraint.Predicate.TextNotEquals': {
    value: [1, 'string', 'required'],
  },
  'scheduler.AttributeConstraint.Predicate.TextNotMatches': {
    regex: [1, 'string', 'required'],
  },
  'scheduler.AttributeConstraint.Selector': {
    pseudoattribute_type: [1, 'scheduler.AttributeConstraint.Selector.PseudoattributeType'],
    attribute_name: [2, 'string'],
  },
  'scheduler.Call': {
    framework_id: [1, 'FrameworkID'],
    type: [2, 'scheduler.Call.Type'],
    subscribe: [3, 'scheduler.Call.Subscribe'],
    accept: [4, 'scheduler.Call.Accept'],
    decline: [5, 'scheduler.Call.Decline'],
    kill: [6, 'scheduler.Call.Kill'],
    shutdown: [7, 'scheduler.Call.Shutdown'],
    acknowledge: [8, 'scheduler.Call.Acknowledge'],
    reconcile: [9, 'scheduler.Call.Reconcile'],
    message: [10, 'scheduler.Call.Message'],
    request: [11, 'scheduler.Call.Request'],
    accept_inverse_offers: [13, 'scheduler.Call.AcceptInverseOffers'],
    decline_inverse_offers: [14, 'scheduler.Call.DeclineInverseOffers'],
    revive: [15, 'scheduler.Call.Revive'],
    suppress: [16, 'scheduler.Call.Suppress'],
    acknowledge_operation_status: [17, 'scheduler.Call.AcknowledgeOperationStatus'],
    reconcile_operations: [18, 'scheduler.Call.ReconcileOperations'],
    update_framework: [19, 'scheduler.Call.UpdateFramework'],
  },
  'scheduler.Call.Accept': {
    offer_ids: [1, 'OfferID', 'repeated'],
    operations: [2, 'Offer.Operation', 'repeated'],
    filters: [3, 'Filters'],
  },
  'scheduler.Call.AcceptInverseOffers': {
    inverse_offer_ids: [1, 'OfferID', 'repeated'],
    filters: [2, 'Filters'],
  },
  'scheduler.Call.Acknowledge': {
    agent_id: [1, 'AgentID', 'required'],
    task_id: [2, 'TaskID', 'required'],
    uuid: [3, 'bytes', 'required'],
  },
  'scheduler.Call.AcknowledgeOperationStatus': {
    agent_id: [1, 'AgentID'],
    resource_provider_id: [2, 'ResourceProviderID'],
    uuid: [3, 'bytes', 'required'],
    operation_id: [4, 'OperationID', 'required'],
  },
  'scheduler.Call.Decline': {
    offer_ids: [1, 'OfferID', 'repeated'],
    filters: [2, 'Filters'],
  },
  'scheduler.Call.DeclineInverseOffers': {
    inverse_offer_ids: [1, 'OfferID', 'repeated'],
    filters: [2, 'Filters'],
  },
  'scheduler.Call.Kill': {
    task_id: [1, 'TaskID', 'required'],
    agent_id: [2, 'AgentID'],
    kill_policy: [3, 'KillPolicy'],
  },
  'scheduler.Call.Message': {
    agent_id: [1, 'AgentID', 'required'],
    executor_id: [2, 'ExecutorID', 'required'],
    data: [3, 'bytes', 'required'],
  },
  'scheduler.Call.Reconcile': {
    tasks: [1, 'scheduler.Call.Reconcile.Task', 'repeated'],
  },
  'scheduler.Call.Reconcile.Task': {
    task_id: [1, 'TaskID', 'required'],
    agent_id: [2, 'AgentID'],
  },
  'scheduler.Call.ReconcileOperations': {
    operations: [1, 'scheduler.Call.ReconcileOperations.Operation', 'repeated'],
  },
  'scheduler.Call.ReconcileOperations.Operation': {
    operation_id: [1, 'OperationID', 'required'],
    agent_id: [2, 'AgentID'],
    resource_provider_id: [3, 'ResourceProviderID'],
  },
  'scheduler.Call.Request': {
    requests: [1, 'Request', 'repeated'],
  },
  'scheduler.Call.Revive': {
    roles: [1, 'string', 'repeated'],
  },
  'scheduler.Call.Shutdown': {
    executor_id: [1, 'ExecutorID', 'required'],
    agent_id: [2, 'AgentID', 'required'],
  },
  'scheduler.Call.Subscribe': {
    framework_info: [1, 'FrameworkInfo', 'required'],
    suppressed_roles: [2, 'string', 'repeated'],
    offer_constraints: [3, 'scheduler.OfferConstraints'],
  },
  'scheduler.Call.Suppress': {
    roles: [1, 'string', 'repeated'],
  },
  'scheduler.Call.UpdateFramework': {
    framework_info: [1, 'FrameworkInfo', 'required'],
    suppressed_roles: [2, 'string', 'repeated'],
    offer_constraints: [3, 'scheduler.OfferConstraints'],
  },
  'scheduler.Event': {
    type: [1, 'scheduler.Event.Type'],
    subscribed: [2, 'scheduler.Event.Subscribed'],
    offers: [3, 'scheduler.Event.Offers'],
    rescind: [4, 'scheduler.Event.Rescind'],
    update: [5, 'scheduler.Event.Update'],
    message: [6, 'scheduler.Event.Message'],
    failure: [7, 'scheduler.Event.Failure'],
    error: [8, 'scheduler.Event.Error'],
    inverse_offers: [9, 'scheduler.Event.InverseOffers'],
    rescind_inverse_offer: [10, 'scheduler.Event.RescindInverseOffer'],
    update_operation_status: [11, 'scheduler.Event.UpdateOperationStatus'],
  },
  'scheduler.Event.Error': {
    message: [1, 'string', 'required'],
  },
  'scheduler.Event.Failure': {
    agent_id: [1, 'AgentID'],
    executor_id: [2, 'ExecutorID'],
    status: [3, 'int32'],
  },
  'scheduler.Event.InverseOffers': {
    inverse_offers: [1, 'InverseOffer', 'repeated'],
  },
  'scheduler.Event.Message': {
    agent_id: [1, 'AgentID', 'required'],
    executor_id: [2, 'ExecutorID', 'required'],
    data: [3, 'bytes', 'required'],
  },
  'scheduler.Event.Offers': {
    offers: [1, 'Offer', 'repeated'],
  },
  'scheduler.Event.Rescind': {
    offer_id: [1, 'OfferID', 'required'],
  },
  'scheduler.Event.RescindInverseOffer': {
    inverse_offer_id: [1, 'OfferID', 'required'],
  },
  'scheduler.Event.Subscribed': {
    framework_id: [1, 'FrameworkID', 'required'],
    heartbeat_interval_seconds: [2, 'double'],
    master_info: [3, 'MasterInfo'],
  },
  'scheduler.Event.Update': {
    status: [1, 'TaskStatus', 'required'],
  },
  'scheduler.Event.UpdateOperationStatus': {
    status: [1, 'OperationStatus', 'required'],
  },
  'scheduler.OfferConstraints': {
    role_constraints: [1, 'scheduler.OfferConstraints.RoleConstraints', 'map'],
  },
  'scheduler.OfferConstraints.RoleConstraints': {
    groups: [1, 'scheduler.OfferConstraints.RoleConstraints.Group', 'repeated'],
  },
  'scheduler.OfferConstraints.RoleConstraints.Group': {
    attribute_constraints: [1, 'scheduler.AttributeConstraint', 'repeated'],
  },
} as const satisfies MessageTables;

export const SCHEDULER_ENUMS = {
  'scheduler.AttributeConstraint.Selector.PseudoattributeType': {
    UNKNOWN: 0,
    HOSTNAME: 1,
    REGION: 2,
    ZONE: 3,
  },
  'scheduler.Call.Type': {
    UNKNOWN: 0,
    SUBSCRIBE: 1,
    TEARDOWN: 2,
    ACCEPT: 3,
    DECLINE: 4,
    REVIVE: 5,
    KILL: 6,
    SHUTDOWN: 7,
    ACKNOWLEDGE: 8,
    RECONCILE: 9,
    MESSAGE: 10,
    REQUEST: 11,
    SUPPRESS: 12,
    ACCEPT_INVERSE_OFFERS: 13,
    DECLINE_INVERSE_OFFERS: 14,
    ACKNOWLEDGE_OPERATION_STATUS: 15,
    RECONCILE_OPERATIONS: 16,
    UPDATE_FRAMEWORK: 17,
  },
  'scheduler.Event.Type': {
    UNKNOWN: 0,
    SUBSCRIBED: 1,
    OFFERS: 2,
    RESCIND: 3,
    UPDATE: 4,
    MESSAGE: 5,
    FAILURE: 6,
    ERROR: 7,
    HEARTBEAT: 8,
    INVERSE_OFFERS: 9,
    RESCIND_INVERSE_OFFER: 10,
    UPDATE_OPERATION_STATUS: 11,
  },
} as const satisfies EnumTables;
