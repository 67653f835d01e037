// Reads the status pages at the addresses given, and prints what the client told of each.
const { Statuspage } = require("statuspage.io");

async function read(url) {
  const client = new Statuspage("any");
  client.setApiUrl(url);
  const { api } = client;
  return {
    summary: await api.getSummary(),
    status: await api.getStatus(),
    components: await api.getComponents(),
    incidents: await api.incidents.getAll(),
    "incidents/unresolved": await api.incidents.getUnresolved(),
    "scheduled-maintenances/upcoming": await api.scheduledMaintenances.getUpcoming(),
  };
}

Promise.all(process.argv.slice(2).map(read)).then(
  (found) => process.stdout.write(JSON.stringify(found)),
  (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exitCode = 1;
  },
);
