// The page's heartbeat. A worker's timer is not slowed down when the tab is hidden; the page's own is, to one a minute.
setInterval(() => postMessage(0), 500);
