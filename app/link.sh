#!/bin/sh
# Makes the command `.venv/bin/property-hub`, which runs the code of this folder.
set -eu
python=.venv/bin/python
site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
pwd > "$site/property_hub.pth"
printf '#!%s\nimport sys\n\nfrom app.cli import main\n\nsys.exit(main())\n' "$PWD/$python" > .venv/bin/property-hub
chmod +x .venv/bin/property-hub
