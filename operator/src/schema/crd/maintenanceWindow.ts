import { z } from 'zod';
import { bornUnobserved, StatusBase } from './common.ts';
import { celString, count, labels, objectName, seconds, text } from './fields.ts';
import { kube } from './kubeMeta.ts';

const RFC3339 =
  '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]' +
  '([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$';

export const MaintenanceWindowSpec = z
  .object({
    agents: z
      .array(objectName('Name of an agent.'))
      .min(1)
      .max(1000)
      .optional()
      .meta(kube({ description: 'Agents the window is for.', list: 'set' })),
    selector: labels(16, 'Attributes of the agents the window is for.').optional(),
    start: z
      .string()
      .min(1)
      .max(64)
      .meta(
        kube({
          description: 'When the window opens.',
          rules: [
            {
              rule: `self.matches(${celString(RFC3339)})`,
              message:
                'must be a time with its zone, such as 2026-11-21T15:00:00Z or 2026-11-21T16:00:00+01:00',
            },
            {
              rule: "!self.matches('^[0-9]{4}-(02-3|(04|06|09|11)-31)')",
              message: 'must be a day that exists',
            },
          ],
        }),
      ),
    durationSeconds: seconds(1, 31_536_000, 'How long the window stays open.'),
    mode: z
      .enum(['Freeze', 'Drain'])
      .optional()
      .meta(
        kube({
          description:
            'Freeze places nothing new on the agents; Drain also moves their tasks elsewhere.',
          default: 'Drain',
        }),
      ),
    slaPolicy: z
      .enum(['Honour', 'Ignore'])
      .optional()
      .meta(
        kube({
          description:
            'Honour takes no ready instance from a ServiceJob that is at its spec.sla.minAvailable, until the deadline; ' +
            'Ignore moves all tasks.',
          default: 'Honour',
        }),
      ),
    concurrency: z
      .int()
      .min(1)
      .max(10000)
      .optional()
      .meta(kube({ description: 'Agents drained at the same time.', default: 1 })),
    deadlineSeconds: seconds(
      1,
      31_536_000,
      'Time after the start when what is left is moved in any case; never when left out.',
    ).optional(),
  })
  .meta(
    kube({
      description: 'Which agents, when, and how gently.',
      rules: [
        {
          rule: 'has(self.agents) != has(self.selector)',
          message: 'must have exactly one of agents and selector',
        },
      ],
    }),
  );

export const MaintenanceWindowStatus = StatusBase.extend({
  phase: z
    .enum(['Scheduled', 'Active', 'Done'])
    .optional()
    .describe('Where the window is: before, within or after its time.'),
  agents: z
    .array(
      z.object({
        name: text(253, 'Name of the agent.'),
        state: z
          .enum(['Waiting', 'Frozen', 'Draining', 'Drained', 'Released'])
          .describe('How far the agent is.'),
        tasksLeft: count('Tasks still on it.'),
        answers: z
          .object({
            accepted: count('Frameworks that agreed to leave it.'),
            declined: count('Frameworks that would rather stay.'),
            unknown: count('Frameworks that have not answered.'),
          })
          .optional()
          .describe('What frameworks answered to the inverse offers for it.'),
      }),
    )
    .max(1000)
    .optional()
    .meta(kube({ description: 'Progress, one entry per agent.', list: 'atomic' })),
});

export const MaintenanceWindow = z
  .object({ spec: MaintenanceWindowSpec, status: bornUnobserved(MaintenanceWindowStatus) })
  .describe('A planned time in which agents take nothing new or are emptied.');
