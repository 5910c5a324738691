import { loadExamples, judge } from './examples.ts';
import { RawApi } from './rawApi.ts';
const api = new RawApi('/tmp/crdk/kubeconfig');
let bad = 0;
for (const e of loadExamples()) {
  const r = await judge(api, e).catch((x) => ({ status: 0, body: { message: String(x) } }));
  const msg = String(r.body['message'] ?? '');
  const ok = e.verdict === 'accepted' ? r.status < 300 : r.status >= 400 && r.status < 500 && e.expected.length > 0 && e.expected.every((x) => msg.includes(x));
  if (!ok || process.argv[2]==='-v') { if(!ok) bad++; console.log(e.name, r.status, '\n   ', msg, '\n   ', e.expected.join(' | ')); }
}
console.log('bad', bad);
