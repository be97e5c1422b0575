"""Write the JSON Schemas anew from the written forms; the suite compares them."""

from pathlib import Path

from aios.fidelity.keeping import CalibrationDocument
from aios.fleet.forms.fleet import DeviceForm, FleetForm
from aios.intents import intent_schema_text
from aios.policy import PolicyForm
from aios.records.document import schema_text
from aios.tables.written import FormDocument
from aios.trials import TestForm

SCHEMAS = Path(__file__).resolve().parents[1] / "schemas"

(SCHEMAS / "intent.schema.json").write_text(intent_schema_text())
(SCHEMAS / "fleet.schema.json").write_text(schema_text(FleetForm, "aios fleet", "aios/v1/fleet.schema.json"))
(SCHEMAS / "device.schema.json").write_text(schema_text(DeviceForm, "aios device type", "aios/v1/device.schema.json"))
(SCHEMAS / "table.schema.json").write_text(schema_text(FormDocument, "aios table", "aios/v1/table.schema.json"))
(SCHEMAS / "calibration.schema.json").write_text(
    schema_text(CalibrationDocument, "aios calibration", "aios/v1/calibration.schema.json")
)
(SCHEMAS / "policy.schema.json").write_text(schema_text(PolicyForm, "aios policy", "aios/v1/policy.schema.json"))
(SCHEMAS / "test.schema.json").write_text(schema_text(TestForm, "aios test", "aios/v1/test.schema.json"))
