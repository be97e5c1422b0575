"""When: a time, a way and devices for every job, proved best.

``schedule`` takes jobs with their ways (see ``aios.records.schedule``), the fleet and what stands on it all the time,
and returns a Schedule. Nothing is computed here of what a job takes or costs in an hour; it adds up hours.
"""

from aios.solve.schedule.jobs import MOST_JOBS, Jobs, jobs_of
from aios.solve.schedule.keeping import keeping
from aios.solve.schedule.schedule import schedule

__all__ = ["MOST_JOBS", "Jobs", "jobs_of", "keeping", "schedule"]
