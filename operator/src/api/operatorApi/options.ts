import type { ClusterView } from '../../controllers/clusterView/types.ts';
import type { KubeApi } from '../../ports/kubeApi.ts';
import type { AccessReviewer } from '../auth/accessReview.ts';
import type { MasterFacts } from './masterFacts.ts';

/** What the read endpoints and the operator API need besides the views. */
export interface OperatorApiOptions {
  readonly cluster: () => ClusterView;
  readonly access: AccessReviewer;
  /** Writes as the leader and refuses otherwise; what it wrote is read back at once. */
  readonly kube: KubeApi;
  /** Write as the caller instead of as the operator: the audit log then names who did it. */
  readonly impersonate: boolean;
  readonly facts: () => MasterFacts;
  /** Flags this process runs with, as typed; secrets are not among them. */
  readonly flags: { readonly [name: string]: string };
  readonly logLevel: string;
  /** Calls the listener after every change of tasks, agents and frameworks; returns how to stop. */
  readonly onChange: (listener: () => void) => () => void;
}
