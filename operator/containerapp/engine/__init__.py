"""The controller runtime: reads, plans, applies and reports for any custom kind. It knows no kind of ours."""
